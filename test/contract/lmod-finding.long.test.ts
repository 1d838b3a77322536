/** Compares lists with `module avail` for random trees: names, order, marks and columns. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { initStore } from '../../store/files/store.ts'
import { compose } from '../helpers/compose.ts'
import { needing } from '../helpers/needs.ts'
import { scratch } from '../helpers/scratch.ts'
import { bySize } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { terminal } from '../helpers/terminal.ts'
import { LmodShell, lmodProgram } from './lmod-shell.ts'
import { publish, randomFrom, randomVersions, type TreeModule, writeModulefiles } from './module-tree.ts'

const finding = suite('finding modules as Lmod does')
const program = lmodProgram()
// `lua` stands for the package: where its files are missing, so is lmod.
const withLmod = needing(finding, program === undefined ? 'lmod' : 'lua')
const withTerminal = needing(finding, program === undefined ? 'lmod' : 'lua', 'tmux')

interface Site {
  shell: LmodShell
  roots: [string, string]
  /** Folder of the stack. */
  folder: string
}

/** The same modules below two roots each: MODULEPATH there, COMPOSE_STORE and COMPOSE_PATH here. */
async function site(...trees: [TreeModule[], TreeModule[]]): Promise<Site> {
  const folder = scratch()
  const place = (kind: string, i: number) => join(folder, `${kind}${i}`)
  for (const [i, modules] of trees.entries()) {
    await initStore(place('store', i))
    publish(place('store', i), modules)
    mkdirSync(place('modulefiles', i))
    writeModulefiles(place('modulefiles', i), modules)
  }
  return {
    shell: new LmodShell(program!, [place('modulefiles', 0), place('modulefiles', 1)], join(folder, 'home')),
    roots: [place('store', 0), place('store', 1)],
    folder
  }
}

function randomTrees(seed: number, categories: string[], most: number): [TreeModule[], TreeModule[]] {
  const random = randomFrom(seed)
  const tree = (prefix: string): TreeModule[] =>
    Array.from({ length: most }, (_, i) => {
      const versions = randomVersions(random, 5)
      return {
        name: `${random.pick(categories)}/${prefix}${'x'.repeat(random.below(12))}${i}`,
        versions,
        ...(random.chance(30) && { default: random.pick(versions) }),
        hidden: versions.filter(() => random.chance(20))
      }
    })
  const [first, second] = [tree('n'), tree('m')]
  // Lmod hides a version in all roots at once, and forgets to count a name whose versions are all hidden in the first:
  // names that are in both have none.
  for (let i = 0; i < most; i += 3) {
    first[i] = { ...first[i], hidden: [] }
    const shared = random.chance(50) ? [first[i].versions[0]] : []
    const versions = [...new Set([...second[i].versions, ...shared])]
    second[i] = { ...second[i], name: first[i].name, versions, hidden: [] }
  }
  return [first, second]
}

const ours = ({ roots, folder }: Site, ...words: string[]) =>
  compose(roots[0], words, { cwd: folder, env: { COMPOSE_PATH: roots[1] } })

/** `name marks` of all cells, root by root; our headings name a category as well. */
function cells(text: string): string[][] {
  const roots: string[][] = []
  let last = ''
  for (const line of text.split('\n')) {
    const heading = /^-+ (.*?\D)([01])(: \S+)? -+$/.exec(line)
    if (heading !== null && heading[2] !== last) roots.push([])
    last = heading?.[2] ?? last
    if (!/^ {3}[a-z]+\//.test(line)) continue
    for (const [, name, , marks = ''] of line.matchAll(/(\S+\/\S+)( +\(([A-Z,]+)\))?/g))
      roots.at(-1)!.push(`${inOurForm(name)} ${marks}`)
  }
  return roots.map(list => list.sort())
}

for (const seed of bySize([1], [1, 2]))
  withLmod(`lists the same modules with the same marks, seed ${seed}`, async () => {
    const there = await site(...randomTrees(seed, ['lib', 'app', 'mpi'], 60))
    for (const [flags, ourFlags] of [
      [[], []],
      [['--show_hidden'], ['--hidden']],
      [['-d'], ['--default']]
    ]) {
      const theirs = cells(there.shell.run(...flags, 'avail').words)
      assert.ok(theirs.flat().length > 60)
      assert.equal(cells(ours(there, 'avail', ...ourFlags).out), theirs)
    }
    for (const pattern of ['N1', '/mx', '1.', 'lib/'])
      assert.equal(
        terse(ours(there, 'avail', '-t', pattern).out),
        terse(there.shell.run('-t', 'avail', pattern).words)
      )
  })

/** Names in the order in which they stand there; that of Lmod has lines for names alone when nothing is asked for. */
const terse = (text: string): string[] =>
  text
    .split('\n')
    .filter(line => line !== '' && !line.endsWith(':'))
    .map(inOurForm)

withLmod('marks loaded modules, in the store that they are taken from', async () => {
  const versions = ['1.0', '2.0', '3.0']
  const tree = (names: string[]): TreeModule[] => names.map(name => ({ name: `lib/${name}`, versions }))
  const there = await site(tree(['a', 'b', 'c']), tree(['b', 'c', 'd']))
  assert.ok(there.shell.run('load', 'lib/a/2.0', 'lib/b', 'lib/d').isDone)
  assert.is(ours(there, 'add', 'lib/a-2.0', 'lib/b', 'lib/d').status, 0)
  assert.equal(cells(ours(there, 'avail').out), cells(there.shell.run('avail').words))
  assert.match(ours(there, 'avail').out, /lib\/b-3\.0 \(L,D\)/)
})

withTerminal('stands in the same columns, on terminals of any width', async () => {
  // One category: our headings, and with them our columns, are those of the stores then.
  const there = await site(...randomTrees(9, ['lib'], 40))
  const environment = { COMPOSE_STORE: there.roots[0], COMPOSE_PATH: there.roots[1] }
  const shown = await terminal(environment, there.folder)
  try {
    for (const width of [60, 100, 160, 45]) {
      const screen = await shown.run(width, 'avail', '--hidden')
      there.shell.goBack({ ...there.shell.snapshot(), LMOD_TERM_WIDTH: String(width) })
      const theirs = there.shell.run('--show_hidden', 'avail').words
      const isCell = (line: string) => line.startsWith('   lib/')
      assert.equal(
        screen.filter(isCell),
        theirs.split('\n').filter(isCell).map(inOurForm),
        `${width} columns`
      )
      // The terminal breaks headings whose path is longer than the line.
      for (const line of screen.filter(line => /^--.*--$/.test(line))) assert.is(line.length, width)
      assert.ok(screen.every(line => line.length <= width))
    }
  } finally {
    shown.close()
  }
})

const inOurForm = (line: string): string => line.replace(/\/(?=[0-9])/g, '-')

finding.run()
