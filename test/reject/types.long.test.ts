/**
 * Every field of every document, in turn, with a value of every other type: a reader takes it or refuses it, and nothing
 * else comes of it. Any other error would be shown as one of the program's own.
 */

import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { equal, ok } from 'uvu/assert'
import { openModuleSources } from '../../compose/sources/open-module-source.ts'
import { formatLock, parseLock } from '../../compose/stack/lock-file.ts'
import { parseStack } from '../../compose/stack/stack-file.ts'
import { IdNames } from '../../store/accounts/id-names.ts'
import { decodeSidecar } from '../../store/acl/sidecar-decode.ts'
import { withGcLock } from '../../store/gc/gc-lock.ts'
import { INDEXED_FIELDS } from '../../store/index/module-summary.ts'
import { parseNote } from '../../store/layer-cache/cached-note.ts'
import { decodeLayerManifest } from '../../store/module/layer-manifest.ts'
import { decodeRecord, peekRecord } from '../../store/module/record.ts'
import { readSpecFile } from '../../store/module/spec-file.ts'
import { openRepository } from '../../store/repository/open-repository.ts'
import { StrataError } from '../../store/values/errors.ts'
import { DEFAULT_LIMITS } from '../../store/values/limits.ts'
import { atAllSize } from '../helpers/needs.ts'
import { LayoutMaker, named } from '../helpers/oci-layout.ts'
import { scratch } from '../helpers/scratch.ts'
import { specExample, specText } from '../helpers/spec-example.ts'
import { newStore } from '../helpers/stores.ts'
import { suite } from '../helpers/suite.ts'
import { archive, file } from '../helpers/tar-make.ts'

type Value = unknown

const nested = (depth: number): Value => {
  let value: Value = 1
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

const OTHERS: Value[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e21,
  2 ** 53,
  '',
  'x',
  '131072',
  '/',
  '__proto__',
  'z'.repeat(1000),
  [],
  [131072],
  ['x'],
  [['zstd']],
  [null],
  {},
  { x: 1 },
  { '/': 'x' },
  { '/': { bytes: 'AA' } },
  { length: 1 },
  nested(2000)
]

/** One of each type, for what takes longer to read. */
const FEW: Value[] = [null, true, -1, 1.5, 'x', [], [['x']], {}, { '/': 'x' }]

/** The document once with each of its fields, and itself, as each of the other values; as text, in a list of its own. */
function* variants(document: Value, others: Value[]): Generator<Value> {
  yield* others
  yield [document]
  if (typeof document === 'string' || typeof document === 'number') {
    yield String(document)
    yield Number(document)
  }
  if (Array.isArray(document))
    for (const [index, item] of document.entries())
      for (const variant of variants(item, others)) yield document.with(index, variant)
  else if (typeof document === 'object' && document !== null) {
    for (const [name, value] of Object.entries(document)) {
      for (const variant of variants(value, others)) yield { ...document, [name]: variant }
      const { [name]: _, ...rest } = document as Record<string, Value>
      yield rest
    }
    yield { ...document, unknown: 1 }
  }
}

const types = suite('values of other types')
const long = atAllSize(types)

/** @param least variants that have to be refused: else nothing was tried */
async function sweep(
  document: Value,
  read: (text: string) => unknown,
  { least = 50, others = OTHERS }: { least?: number; others?: Value[] } = {}
): Promise<void> {
  let refused = 0
  const faults: string[] = []
  for (const variant of variants(document, others)) {
    const text = JSON.stringify(variant)
    try {
      await read(text)
    } catch (error) {
      if (error instanceof StrataError) refused++
      else faults.push(`${text.slice(0, 300)}: ${(error as Error).stack?.split('\n', 3).join(' ')}`)
    }
  }
  equal(faults.slice(0, 5), [])
  ok(refused >= least, `${refused} refused`)
}

const record = () => JSON.parse(specExample('module.md', 'record'))
const ID = 'baguqeeraqpjdrynej2gnuifztbgr5pqaw4lap7mwhud23wev3daewcoivcqa'
const HASH = 'a'.repeat(64)

types('store.json', async () => {
  const root = scratch()
  await sweep(
    { strata: 'store', version: 1, profile: { compressor: 'zstd', level: 3, blockSize: 131072 }, group: 100 },
    async text => {
      writeFileSync(join(root, 'store.json'), text)
      const { profile } = await openRepository({ store: root, path: '' })
      ok(typeof profile.level === 'number' && typeof profile.blockSize === 'number')
      ok(typeof profile.compressor === 'string')
    }
  )
})

types('locks', async () => {
  const document = JSON.parse(specExample('lock.md', 'lock'))
  await sweep({ ...document, tree: `sha256:${HASH}`, sha256: HASH }, text => {
    const { profile } = parseLock(text, 'stack.lock').parameters
    ok(typeof profile.level === 'number' && typeof profile.blockSize === 'number')
    formatLock(parseLock(text, 'stack.lock'))
  })
})

types('notes of packed layers', () =>
  sweep(
    { strata: 'oci-layer', version: 1, digest: HASH, size: 7, diffId: HASH, tarBytes: 9, layers: [ID] },
    text => parseNote(text, 'note')
  )
)

long('records, also where only a part of them is read', async () => {
  const whole = {
    ...record(),
    help: 'x',
    license: 'MIT',
    conflicts: ['lib/x >= 1'],
    accessGroups: [{ name: 'g', gid: 7 }],
    labels: { 'org.x': 'y' },
    redistributable: false,
    runscript: 'x',
    replaces: ['opt/*'],
    allowPrivileged: true,
    hidden: true,
    deprecated: { date: '2025-01-01', text: 'x' }
  }
  await sweep(whole, text => decodeRecord(Buffer.from(text), 'record'))
  await sweep(whole, text => peekRecord(Buffer.from(text), 'record', INDEXED_FIELDS))
})

types('layer manifests', () =>
  sweep(JSON.parse(specExample('module.md', 'layer')), text =>
    decodeLayerManifest(Buffer.from(text), 'layer')
  )
)

types('sidecars', () =>
  sweep(JSON.parse(/```json\n(.*)\n```/.exec(specText('sidecar.md'))![1]!), text =>
    decodeSidecar(Buffer.from(text))
  )
)

types('module.yaml', async () => {
  const path = join(scratch(), 'module.yaml')
  const names = new IdNames()
  const spec = {
    kind: 'library',
    summary: 'x',
    requires: ['mpi/openmpi >= 4'],
    environment: { set: { A: 'b' }, prepend: { PATH: ['/x'] }, unset: ['C'] },
    access_groups: [7],
    labels: { 'org.x': 'y' },
    redistributable: false,
    replaces: ['/etc/*'],
    deprecated: { date: '2025-01-01', text: 'x' },
    prefix: '/opt',
    strip: 1,
    owner: '0:0',
    sources: ['x.tar']
  }
  await sweep(
    spec,
    text => {
      writeFileSync(path, text)
      return readSpecFile(path, names)
    },
    { others: FEW }
  )
})

types('stacks', () =>
  sweep({ modules: ['base/debian-12'], for: 'everyone' }, text => parseStack(text, 'stack.yaml'), {
    least: 20
  })
)

types('the lock of compose gc', async () => {
  const { root } = await newStore()
  const holder = { host: 'h', pid: 1, boot: 'b', namespace: 'n', started: '1' }
  await sweep(
    holder,
    text => {
      writeFileSync(join(root, 'tmp/gc.lock'), text)
      return withGcLock(root, async () => {})
    },
    { least: 30, others: FEW }
  )
})

long('documents of OCI images', async () => {
  const store = await newStore()
  const tar = archive(file('x', 'x'))
  const open = async (layout: LayoutMaker) => {
    const sources = await openModuleSources(store, [layout.folder], {
      name: { category: 'lib', name: 'made', version: '1' },
      limits: DEFAULT_LIMITS,
      kind: 'library',
      names: new IdNames()
    })
    for (const source of sources) await source.close?.()
  }
  const parent = scratch()
  const fresh = () => new LayoutMaker(mkdtempSync(join(parent, 'layout-')))
  const model = fresh()
  const image = model.image([tar])
  const index = {
    schemaVersion: 2,
    manifests: [{ ...named(image, 'v1'), platform: { os: 'linux', architecture: 'amd64' } }]
  }
  await sweep(
    index,
    text => {
      model.write('index.json', text)
      return open(model)
    },
    { others: FEW }
  )
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: { Env: ['A=b'], Labels: { a: 'b' }, Entrypoint: ['x'], Cmd: ['y'], WorkingDir: '/', User: '0' },
    rootfs: { type: 'layers', diff_ids: [] },
    history: [{ empty_layer: true }]
  }
  await sweep(
    config,
    text => {
      const layout = fresh()
      layout.index(named(layout.image([tar], { config: JSON.parse(text) ?? {} }), 'v1'))
      return open(layout)
    },
    { least: 1, others: FEW }
  )
})

types.run()
