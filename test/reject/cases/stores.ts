import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { compress } from 'zstd-napi'
import { openRepository } from '../../../store/repository/open-repository.ts'
import type { Area, RejectCase } from '../case.ts'
import { rewrite, type StoreFile, swap, type Tampered, tamperedStore, useTampered } from '../tampered.ts'

type Tamper = (store: Tampered) => void
type StoreRow = [name: string, tamper: Tamper, expect: RejectCase['expect'], more?: Partial<RejectCase>]

const storeCases = (rows: StoreRow[]): RejectCase[] =>
  rows.map(([name, tamper, expect, more]) => ({
    name,
    expect,
    ...more,
    async attack(room) {
      const store = await tamperedStore(room)
      tamper(store)
      await useTampered(store)
    }
  }))

const DAMAGE = {
  data: 'OBJECT_CORRUPT',
  recipe: 'BLOB_CORRUPT',
  index: 'OBJECT_CORRUPT',
  sidecar: 'BLOB_CORRUPT',
  layer: 'BLOB_CORRUPT',
  record: 'BLOB_CORRUPT'
} as const
type Damaged = keyof typeof DAMAGE
const DAMAGED = Object.keys(DAMAGE) as Damaged[]

/** One way to tamper with each kind of file. */
const each = (
  what: string,
  tamper: (path: string, store: Tampered) => void,
  expects: Partial<Record<Damaged, RejectCase['expect']>> = {}
): StoreRow[] =>
  DAMAGED.map(kind => [
    `${what}: ${kind}`,
    store => tamper(store.files[kind], store),
    expects[kind] ?? DAMAGE[kind],
    // Each takes a whole build and a whole fsck: one blob and one data file stand for the others.
    { isSlow: kind !== 'data' && kind !== 'layer' }
  ])

const writable = (path: string, work: () => void): void => {
  chmodSync(path, 0o644)
  work()
  chmodSync(path, 0o444)
}

const flipBit = (bytes: Buffer): void => {
  bytes[bytes.length >> 1] ^= 1
}

const outside = ({ room }: Tampered): string => join(room.outside, 'canary')

/** A file that is whole, but not as files of a store are, is refused as well. */
const ALL_CORRUPT = Object.fromEntries(DAMAGED.map(kind => [kind, 'BLOB_CORRUPT'])) as Record<
  Damaged,
  'BLOB_CORRUPT'
>

const ref =
  (content: string): Tamper =>
  ({ files }) =>
    rewrite(files.ref, () => Buffer.from(content, 'latin1'))

export const tamperedBlobs: Area = {
  area: 'stores',
  cases: storeCases([
    ...each('a flipped bit', path => rewrite(path, flipBit)),
    ...each('cut off', path => writable(path, () => truncateSync(path, lstatSync(path).size - 1))),
    ...each('cut off to nothing', path => writable(path, () => truncateSync(path, 0))),
    ...each('longer', path => writable(path, () => appendFileSync(path, '\0'))),
    ...each(
      'a symbolic link to a copy',
      (path, { room }) => {
        copyFileSync(path, room.file('copy'))
        unlinkSync(path)
        symlinkSync(room.file('copy'), path)
      },
      ALL_CORRUPT
    ),
    ...each(
      'a symbolic link to a canary',
      (path, store) => {
        unlinkSync(path)
        symlinkSync(outside(store), path)
      },
      ALL_CORRUPT
    ),
    ...each('a second name outside', (path, { room }) => linkSync(path, room.file('hold')), ALL_CORRUPT),
    ...each('writable by its group', path => chmodSync(path, 0o464), ALL_CORRUPT),
    ...each('writable by everyone', path => chmodSync(path, 0o666), ALL_CORRUPT),
    ...each(
      'a directory',
      path => {
        unlinkSync(path)
        mkdirSync(path)
      },
      ALL_CORRUPT
    ),
    ...each(
      'a fifo',
      path => {
        unlinkSync(path)
        execFileSync('mkfifo', [path])
      },
      ALL_CORRUPT
    ),
    ...storeRows()
  ])
}

function storeRows(): StoreRow[] {
  const swapped =
    (one: StoreFile, other: StoreFile): Tamper =>
    ({ files }) =>
      swap(files[one], files[other])
  return [
    ["a record and a layer in each other's place", swapped('record', 'layer'), 'BLOB_CORRUPT'],
    ["a layer and a sidecar in each other's place", swapped('layer', 'sidecar'), 'BLOB_CORRUPT'],
    ["a recipe and a data file in each other's place", swapped('recipe', 'data'), 'OBJECT_CORRUPT'],
    ["an index and a data file in each other's place", swapped('index', 'data'), 'OBJECT_CORRUPT'],
    ["a sidecar and a record in each other's place", swapped('sidecar', 'record'), 'BLOB_CORRUPT'],
    ['no data file', ({ files }) => unlinkSync(files.data), 'BLOB_MISSING'],
    ['no recipe', ({ files }) => unlinkSync(files.recipe), 'BLOB_MISSING'],
    ['no layer', ({ files }) => unlinkSync(files.layer), 'BLOB_MISSING'],
    ['no record', ({ files }) => unlinkSync(files.record), 'BLOB_MISSING'],
    ['no sidecar', ({ files }) => unlinkSync(files.sidecar), 'BLOB_MISSING'],
    ['a ref that names no CID', ref('deadbeef\n'), 'MANIFEST_INVALID'],
    ['a ref that names a path', ref('../../../etc/passwd\n'), 'MANIFEST_INVALID'],
    ['a ref with an escape', ref('\x1b[2J\n'), 'MANIFEST_INVALID'],
    [
      'a ref without a line end',
      ({ files }) => rewrite(files.ref, bytes => bytes.subarray(0, -1)),
      'MANIFEST_INVALID'
    ],
    [
      'a ref of two lines',
      ({ files }) => rewrite(files.ref, bytes => Buffer.concat([bytes, bytes])),
      'MANIFEST_INVALID'
    ],
    [
      'a ref of a megabyte',
      ({ files }) => rewrite(files.ref, () => Buffer.alloc(1 << 20, 'b')),
      'MANIFEST_INVALID'
    ],
    ['an empty ref', ref(''), 'MANIFEST_INVALID'],
    [
      'a ref that is a link to a canary',
      store => {
        unlinkSync(store.files.ref)
        symlinkSync(outside(store), store.files.ref)
      },
      'MANIFEST_INVALID'
    ],
    [
      'a ref that is a fifo',
      ({ files }) => {
        unlinkSync(files.ref)
        execFileSync('mkfifo', [files.ref])
      },
      'MANIFEST_INVALID'
    ],
    [
      'a folder of refs that is a link',
      ({ root, room }) => {
        renameSync(join(root, 'refs/modules/app'), room.file('app'))
        symlinkSync(room.file('app'), join(root, 'refs/modules/app'))
      },
      'STORE_FOLDER'
    ],
    [
      'a stray file among refs',
      ({ root }) => writeFileSync(join(root, 'refs/modules/app/\x1b[2J'), 'x'),
      'found'
    ],
    [
      'a stray file among blobs',
      ({ root }) => writeFileSync(join(root, 'blobs/sha256/\x1b[2J'), 'x'),
      'found'
    ],
    [
      'a blob under the name of another digest',
      ({ root, files }) => {
        mkdirSync(join(root, 'blobs/sha256/00'), { recursive: true })
        copyFileSync(files.layer, join(root, 'blobs/sha256/00', '0'.repeat(62)))
      },
      'found'
    ],
    [
      'a zstd bomb under the name of a layer',
      ({ files }) => {
        unlinkSync(files.layer)
        writeFileSync(`${files.layer}.zst`, zeros())
        chmodSync(`${files.layer}.zst`, 0o444)
      },
      'BLOB_CORRUPT'
    ]
  ]
}

/** 64 MiB of zeros in some kilobytes. */
const zeros = (): Uint8Array => compress(Buffer.alloc(64 << 20))

const storeJson =
  (content: string): RejectCase['attack'] =>
  async room => {
    const { root, files } = await tamperedStore(room)
    chmodSync(files.storeFile, 0o644)
    writeFileSync(files.storeFile, content)
    await openRepository({ store: root, path: '' })
  }

const profile = (change: string): string => `{"strata":"store","version":2,"profile":${change}}`

export const storeFiles: Area = {
  area: 'store.json',
  cases: (
    [
      ['nothing', '', 'MANIFEST_INVALID'],
      ['no JSON', '\x1b[2J', 'MANIFEST_INVALID'],
      ['null', 'null', 'MANIFEST_INVALID'],
      ['a list', '[]', 'MANIFEST_INVALID'],
      ['100,000 nested lists', '['.repeat(100_000), 'MANIFEST_INVALID'],
      ['another document', '{"strata":"lock"}', 'MANIFEST_INVALID'],
      ['a later version', '{"strata":"store","version":3}', 'STORE_VERSION'],
      ['a version with an escape', '{"strata":"store","version":"\\u001b[2J"}', 'MANIFEST_INVALID'],
      [
        'a version of 100,000 nested lists',
        `{"strata":"store","version":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
        'MANIFEST_INVALID'
      ],
      ['a compressor that is unknown', profile('{"compressor":"\\u001b[2J"}'), 'MANIFEST_INVALID'],
      ['a compressor of the prototype', profile('{"compressor":"constructor"}'), 'MANIFEST_INVALID'],
      ['a compressor that leads out', profile('{"compressor":"../../x"}'), 'MANIFEST_INVALID'],
      ['a level of 99', profile('{"level":99}'), 'MANIFEST_INVALID'],
      ['a block of 5000 bytes', profile('{"blockSize":5000}'), 'MANIFEST_INVALID'],
      ['a block of 2^40 bytes', profile('{"blockSize":1099511627776}'), 'MANIFEST_INVALID'],
      ['a profile that is a text', profile('"x"'), 'MANIFEST_INVALID'],
      ['a profile of null', profile('null'), 'MANIFEST_INVALID']
    ] as [string, string, RejectCase['expect']][]
  ).map(([name, content, expect]) => ({ name, expect, attack: storeJson(content) }))
}
