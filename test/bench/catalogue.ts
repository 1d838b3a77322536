/**
 * Look-ups in a store of many modules, each in a process of its own, with a good index and with none (which the
 * look-up then writes as far as it does); beside them what Node's own start takes.
 *
 *   node dist/test/bench/catalogue.js [MODULES [RUNS [VERSIONS_PER_NAME]]]
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CID } from 'multiformats/cid'
import { readLayer } from '../../store/contents/manifests.ts'
import { readRecord } from '../../store/contents/read-record.ts'
import { INDEX } from '../../store/files/store-layout.ts'
import { rebuildIndex } from '../../store/index/update-index.ts'
import { findModule } from '../../store/lookup/find-module.ts'
import { parseModuleRequest } from '../../store/module/name.ts'
import { openRepository } from '../../store/repository/open-repository.ts'
import type { Repository } from '../../store/repository/repository.ts'
import { sha256Of } from '../../store/values/digest.ts'
import { writeManyModules } from './helpers/many-modules.ts'
import { writeManyEntries } from './helpers/million-tar.ts'
import { describeRun, median, renderTable, spread } from './helpers/report.ts'
import { type Measured, runCompose, runMeasured } from './helpers/run-measured.ts'

const [modules = '10000', runs = '5', versionsPerName = '3'] = process.argv.slice(2)
const LAYERS = 20
const LEAST_ENTRIES = 5000
const LOOK_UP = fileURLToPath(new URL('../helpers/look-up.js', import.meta.url))
/** Longer than two changes can bear the same time: until then folders are not settled (spec/index.md#stamps). */
const SETTLING_MS = 2500

const folder = mkdtempSync(join(tmpdir(), 'strata-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true }))
const root = join(folder, 'store')
await runCompose(root, ['init', '--level', '1'])
const store = await openRepository({ store: root })
const layers = await importLayers(store)
writeManyModules(root, Number(modules), layers, { versionsPerName: Number(versionsPerName) })
await new Promise(resolve => setTimeout(resolve, SETTLING_MS))

const blob = sha256Of((await readLayer(store, layers[0])).tar)
const look = (...words: string[]) => runMeasured(process.execPath, [LOOK_UP, root, ...words])
const candidates: Record<string, () => Promise<Measured>> = {
  'node -e 0': () => runMeasured(process.execPath, ['-e', '0']),
  modules: () => look('count'),
  provides: () => look('provides', 'package-3/file-777'),
  'users of a tarball': () => look('users', blob)
}

const seconds: Record<string, number[]> = {}
const cpu: Record<string, number[]> = {}
const answers: Record<string, string[]> = {}
const note = (name: string, question: string, measured: Measured) => {
  seconds[name] = [...(seconds[name] ?? []), measured.seconds * 1000]
  cpu[name] = [...(cpu[name] ?? []), measured.cpuSeconds * 1000]
  answers[question] = [...(answers[question] ?? []), measured.stdout]
}
for (let run = 0; run < Number(runs); run++) {
  await rebuildIndex(store)
  for (const [name, candidate] of Object.entries(candidates)) note(name, name, await candidate())
  for (const [name, candidate] of Object.entries(candidates).slice(1)) {
    rmSync(join(root, INDEX), { recursive: true })
    note(`${name}, no index`, name, await candidate())
  }
}
for (const [question, given] of Object.entries(answers))
  if (new Set(given).size > 1) throw new Error(`${question}: different answers with and without index`)

console.log(`${describeRun()}\n`)
console.log(
  renderTable(
    [`${modules} modules`, 'milliseconds', 'CPU', 'beyond node'],
    Object.keys(seconds).map(name => [
      name,
      spread(seconds[name]),
      median(cpu[name]).toFixed(0),
      (median(seconds[name]) - median(seconds['node -e 0'])).toFixed(0)
    ])
  )
)

async function importLayers(store: Repository): Promise<CID[]> {
  const imported: CID[] = []
  for (let i = 0; i < LAYERS; i++) {
    const tarball = join(folder, 'layer.tar')
    await writeManyEntries(tarball, LEAST_ENTRIES + i)
    await runCompose(store.root, ['import', `base/layer-${i}`, tarball])
    const { record } = await findModule(store, parseModuleRequest(`base/layer-${i}`))
    imported.push(...(await readRecord(store, record)).layers)
  }
  return imported
}
