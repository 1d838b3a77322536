/**
 * Measures commands at the prompt in a site with many modules: lists with an index and without, Lmod's lists with and
 * without its spider cache on the same names, `add` and `list`, and Node's own start.
 *
 * node dist/test/bench/finding.js [MODULES [RUNS [VERSIONS_PER_NAME]]]
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { initStore } from '../../store/files/store.ts'
import { INDEX } from '../../store/files/store-layout.ts'
import { listModules } from '../../store/module/ref-list.ts'
import { manifestCid } from '../../store/values/digest.ts'
import { lmodProgram } from '../contract/lmod-shell.ts'
import { COMPOSE } from '../helpers/compose.ts'
import { writeManyModules } from './helpers/many-modules.ts'
import { describeRun, median, renderTable, spread } from './helpers/report.ts'
import { ENVIRONMENT, type Measured, runMeasured } from './helpers/run-measured.ts'

const [modules = '10000', runs = '15', versionsPerName = '3'] = process.argv.slice(2)
/** Longer than two changes can bear the same time: until then folders are not settled (spec/index.md#stamps). */
const SETTLING_MS = 2500

const folder = mkdtempSync(join(tmpdir(), 'strata-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true }))
const root = join(folder, 'store')
const stack = join(folder, 'stack.yaml')
await initStore(root)
// Lists and choices do not read layers, so one id stands for all of them.
writeManyModules(root, Number(modules), [manifestCid(Buffer.from('{}'))], {
  versionsPerName: Number(versionsPerName)
})
const names = listModules(root).modules
const [base, added] = [names[0], names.at(-1)!].map(
  ({ category, name, version }) => `${category}/${name}-${version}`
)
await new Promise(resolve => setTimeout(resolve, SETTLING_MS))

const compose = (...words: string[]) =>
  runMeasured(process.execPath, [COMPOSE, ...words, '--store', root, '--stack', stack], {
    env: { ...ENVIRONMENT, COMPOSE_PATH: '' }
  })
const candidates: Record<string, () => Promise<Measured>> = {
  'node -e 0': () => runMeasured(process.execPath, ['-e', '0']),
  'compose avail': () => compose('avail'),
  'compose avail -t': () => compose('avail', '-t'),
  'compose avail package-1': () => compose('avail', 'package-1'),
  'compose spider': () => compose('spider'),
  'compose avail, no index': () => {
    rmSync(join(root, INDEX), { recursive: true })
    return compose('avail')
  },
  'compose add': () => compose('add', added),
  'compose list': () => compose('list'),
  'compose --version': () => compose('--version'),
  ...lmodCandidates()
}

await compose('add', base)
await compose('avail')
const seconds: Record<string, number[]> = {}
const cpu: Record<string, number[]> = {}
for (let run = 0; run < Number(runs); run++)
  for (const [name, candidate] of Object.entries(candidates)) {
    const measured = await candidate()
    seconds[name] = [...(seconds[name] ?? []), measured.seconds * 1000]
    cpu[name] = [...(cpu[name] ?? []), measured.cpuSeconds * 1000]
  }

console.log(`${describeRun()}\n`)
console.log(
  renderTable(
    [`${modules} modules, ${versionsPerName} a name`, 'milliseconds', 'CPU', 'beyond node'],
    Object.keys(seconds).map(name => [
      name,
      spread(seconds[name]),
      median(cpu[name]).toFixed(0),
      name.startsWith('compose') ? (median(seconds[name]) - median(seconds['node -e 0'])).toFixed(0) : ''
    ])
  )
)

/** The same names for Lmod, where it is installed; its cache as Debian's script makes it for a site. */
function lmodCandidates(): Record<string, () => Promise<Measured>> {
  const program = lmodProgram()
  if (program === undefined) return {}
  const modulefiles = join(folder, 'modulefiles')
  for (const { category, name, version } of names) {
    const path = join(modulefiles, category, name, `${version}.lua`)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, `whatis("Name: ${name}")\nwhatis("Description: for problems of one kind")\n`)
  }
  const cache = join(folder, 'cache')
  const settings = join(folder, 'lmodrc.lua')
  const timestamp = join(cache, 'timestamp')
  mkdirSync(cache)
  execFileSync(join(dirname(program), 'update_lmod_system_cache_files'), [
    '-d',
    cache,
    '-t',
    timestamp,
    modulefiles
  ])
  writeFileSync(settings, `scDescriptT = { { ["dir"] = "${cache}", ["timestamp"] = "${timestamp}" } }\n`)
  const lmod = (more: NodeJS.ProcessEnv, ...words: string[]) =>
    runMeasured(program, ['bash', ...words], {
      env: {
        PATH: process.env.PATH,
        HOME: join(folder, 'home'),
        MODULEPATH: modulefiles,
        LMOD_PAGER: 'none',
        ...more
      }
    })
  return {
    'lmod avail, cached': () => lmod({ LMOD_RC: settings }, 'avail'),
    'lmod -t avail, cached': () => lmod({ LMOD_RC: settings }, '-t', 'avail'),
    'lmod spider, cached': () => lmod({ LMOD_RC: settings }, 'spider'),
    'lmod avail, no cache': () => {
      rmSync(join(folder, 'home'), { recursive: true, force: true })
      return lmod({}, 'avail')
    }
  }
}
