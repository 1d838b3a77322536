/** Checks the promises of store/repository/repository.ts on a store on disk. */
import { execFileSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { parseModuleName, parseModuleRequest } from '../../store/module/name.ts'
import { openRepository } from '../../store/repository/open-repository.ts'
import { sha256Of } from '../../store/values/digest.ts'
import { atCheckSize } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { refusedLater } from '../helpers/refused.ts'
import { scratch } from '../helpers/scratch.ts'
import { importInto, newStore } from '../helpers/stores.ts'
import { suite } from '../helpers/suite.ts'

const contract = suite('contract: repository')
const long = atCheckSize(contract)

function tarball(text: string): string {
  const folder = scratch()
  bash('cd "$1"; mkdir -p opt; echo "$2" > opt/file; tar --mtime=@0 -cf t.tar opt', folder, text)
  return join(folder, 't.tar')
}

const NOW = { dryRun: false, graceSeconds: 0, olderThanSeconds: 0, objects: false }

contract('a published module is found by its name, its alias and its default', async () => {
  const store = await newStore()
  const { record } = await importInto(store, 'lib/tool-1.2', [tarball('one')])
  await importInto(store, 'lib/tool-1.10', [tarball('ten')])
  const versionOf = async (text: string) => (await store.findModule(parseModuleRequest(text))).name.version
  assert.is(await versionOf('lib/tool'), '1.10')
  assert.is(await versionOf('lib/tool-1.2'), '1.2')
  await store.writeDefault(parseModuleName('lib/tool-1.2'))
  assert.is(await versionOf('lib/tool'), '1.2')
  await store.writeAlias(parseModuleRequest('lib/mytool'), parseModuleRequest('lib/tool-1.10'))
  assert.is(await versionOf('lib/mytool'), '1.10')
  assert.ok(record.equals((await store.findRecord(`${record}`)).record))
  assert.equal(
    store.publishedVersions(parseModuleName('lib/tool-1')).map(({ version }) => version),
    ['1.10', '1.2']
  )
  assert.is((await store.catalogue().modules()).modules.length, 2)
})

contract('a missing module is an error that suggests similar names', async () => {
  const store = await newStore()
  await importInto(store, 'lib/tool-1', [tarball('one')])
  const error = await refusedLater(
    store.findModule(parseModuleRequest('lib/tol')),
    'MODULE_UNKNOWN',
    /lib\/tol/
  )
  assert.ok(JSON.stringify([error.facts, error.hint]).includes('lib/tool'))
  assert.is(store.findExact(parseModuleName('lib/tool-2')), undefined)
})

contract('publishing the same again changes nothing and is not an error', async () => {
  const store = await newStore()
  const tar = tarball('one')
  const first = await importInto(store, 'lib/tool-1', [tar])
  const files = () =>
    bash('cd "$1"; find blobs data parts objects refs -type f | sort', store.root).toString()
  const before = files()
  const again = await importInto(store, 'lib/tool-1', [tar])
  assert.is(again.outcome, 'same')
  assert.ok(again.record.equals(first.record))
  assert.is(files(), before)
})

contract('a tarball comes back byte for byte, as GNU tar wrote it', async () => {
  const store = await newStore()
  const tar = tarball('one')
  const { record } = await importInto(store, 'lib/tool-1', [tar])
  const out = join(scratch(), 'out')
  const [file] = await store.exportModule(record, out)
  execFileSync('cmp', [tar, join(out, readdirSync(out).find(name => name.endsWith('.tar'))!)])
  assert.ok(file !== undefined)
})

contract(
  'a blob with other bytes is BLOB_CORRUPT, at the latest at its end, and fsck names the module',
  async () => {
    const store = await newStore()
    const { record } = await importInto(store, 'lib/tool-1', [tarball('one')])
    const { path } = store.findBlob(sha256Of(record))!
    const file = join(store.root, path)
    const bytes = readFileSync(file)
    bytes[bytes.length - 2] ^= 1
    chmodSync(file, 0o644)
    writeFileSync(file, bytes)
    chmodSync(file, 0o444)
    await refusedLater(store.readRecord(record), 'BLOB_CORRUPT', /damaged/)
    const { findings } = await store.fsck()
    assert.ok(findings.some(({ modules }) => modules.includes('lib/tool-1')))
  }
)

contract('an object is compiled where it is missing, to the same bytes', async () => {
  const store = await newStore()
  const { layers } = await importInto(store, 'lib/tool-1', [tarball('one')])
  const read = () => bash('cd "$1"; find objects -name "*.index" -exec sha256sum {} +', store.root).toString()
  const before = read()
  rmSync(join(store.root, 'objects'), { recursive: true })
  const files = await store.openObjectFiles(layers[0].id, store.profile)
  await files.indexFile.close()
  await files.data.close()
  assert.is(read(), before)
})

contract(
  'an unpublished name is gone; what it stood for goes with the collector, unless a pin holds it',
  async () => {
    const store = await newStore()
    const { record } = await importInto(store, 'lib/tool-1', [tarball('one')])
    await store.addPin({ name: 'kept', records: [record], layers: [], text: 'a test' })
    await store.unpublish(parseModuleName('lib/tool-1'))
    await refusedLater(store.findModule(parseModuleRequest('lib/tool')), 'MODULE_UNKNOWN', /lib\/tool/)
    await store.collectGarbage(NOW)
    assert.is((await store.readRecord(record)).name, 'tool')
    assert.equal(await store.listPins(), ['kept'])
    await store.removePin('kept')
    await store.collectGarbage(NOW)
    await refusedLater(store.readRecord(record), 'BLOB_MISSING', /in none of the stores/)
  }
)

long('further stores are searched in their order, and nothing is written to them', async () => {
  const [own, site] = [await newStore(), await newStore()]
  await importInto(site, 'lib/tool-1', [tarball('of the site')])
  await importInto(own, 'lib/tool-1', [tarball('my own')])
  await importInto(site, 'lib/other-1', [tarball('other')])
  const before = bash('cd "$1"; find . -type f -printf "%p %T@\\n" | sort', site.root).toString()
  const both = await openRepository({ store: own.root, path: site.root })
  assert.is((await both.findModule(parseModuleRequest('lib/tool'))).store.root, own.root)
  assert.is((await both.findModule(parseModuleRequest('lib/other'))).store.root, site.root)
  await importInto(both, 'lib/third-1', [tarball('third')])
  await both.fsck()
  assert.is(bash('cd "$1"; find . -type f -printf "%p %T@\\n" | sort', site.root).toString(), before)
})

contract.run()
