/** Blobs of several parts that a registry describes or sends otherwise than they are. */
import { createHash, randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'
import type { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { partPath } from '../../../store/files/store-layout.ts'
import { SentModule } from '../../../store/remote/module-blobs.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import type { Digest } from '../../../store/values/digest.ts'
import { DEFAULT_LIMITS } from '../../../store/values/limits.ts'
import { nobody } from '../../helpers/fake-registry.ts'
import { type Descriptor, type ModuleServer, moduleServers } from '../../helpers/module-server.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize, SIZE, someOf } from '../../helpers/size.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const tests = suite('remote: hostile blobs')
const serve = moduleServers(tests)

const PARTS = 'dev.strata.parts'
/** Large enough to begin with a part of its own each. */
const FILE_BYTES = 2_200_000
const SMALLEST_PART_BYTES = 500_000
const MANY = bySize(2000, 100_000)

const tree = join(scratch(), 'tree')
mkdirSync(tree)
for (const name of ['a', 'b', 'c', 'd']) writeFileSync(join(tree, name), randomBytes(FILE_BYTES))

async function newModule(): Promise<{ store: Repository; record: CID }> {
  const store = await newStore()
  return { store, record: (await importInto(store, 'lib/tool-1', [tree])).record }
}

const usual = newModule()

interface Site {
  server: ModuleServer
  record: CID
  /** Lengths of the parts, by their hashes. */
  parts: Map<string, number>
}

async function newSite(): Promise<Site> {
  const { store, record } = await usual
  const server = await serve(store, record)
  const parts = new Map(server.of('data').map(({ digest, size }) => [digest.slice('sha256:'.length), size]))
  assert.ok(parts.size >= 4, `${parts.size} parts`)
  return { server, record, parts }
}

/** A store that has the second part, as after a pull that was killed, so that it asks for stretches of a blob. */
async function halfStore(): Promise<Repository> {
  const { store, record } = await usual
  const half = await newStore()
  const { blobs } = await (await SentModule.read(store, record)).manifest()
  const [, second] = blobs.filter(({ sizeBytes }) => sizeBytes >= SMALLEST_PART_BYTES)
  const path = partPath(second.digest.slice('sha256:'.length) as Digest)
  mkdirSync(dirname(join(half.root, path)), { recursive: true })
  copyFileSync(join(store.root, path), join(half.root, path))
  return half
}

const sizeOf = ({ parts }: Site): number => [...parts.values()].reduce((sum, size) => sum + size, 0)

/** The hash of a part, by its file. */
const nameOf = ({ root }: Repository, path: string): string =>
  path.slice(join(root, 'parts').length).replaceAll('/', '')

const pull = (store: Repository, { host }: ModuleServer) =>
  store.pullModule(
    { host, repository: 'lib/tool', tag: '1' },
    { registry: nobody(), replace: false, limits: DEFAULT_LIMITS }
  )

const filesBelow = (store: Repository, folder: string): string[] =>
  readdirSync(join(store.root, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))

/** Parts that came have the bytes of their names. */
function checkParts(store: Repository, parts: Map<string, number>): number {
  const found = filesBelow(store, 'parts')
  for (const path of found) {
    const hash = nameOf(store, path)
    const bytes = readFileSync(path)
    const lengthBytes = parts.get(hash) ?? Number.NaN
    assert.is(
      createHash('sha256')
        .update(bytes.subarray(bytes.length - lengthBytes))
        .digest('hex'),
      hash
    )
  }
  return found.length
}

/** @param message besides the registry, the repository and the digest of the manifest, or of the blob */
async function refused({ server, parts }: Site, message: RegExp, store?: Repository): Promise<number> {
  const receiver = store ?? (await newStore())
  const error = await pull(receiver, server).then(
    () => assert.unreachable('the module was taken'),
    error => error
  )
  assert.is(error.code, 'REGISTRY_INVALID', error.stack)
  assert.match(error.message, message)
  for (const word of [server.host, 'lib/tool', /sha256:[0-9a-f]{64}/]) assert.match(error.message, word)
  assert.equal(filesBelow(receiver, 'tmp'), [])
  if (store !== undefined) {
    assert.equal((await store.fsck()).findings, [])
    return 0
  }
  for (const folder of ['refs', 'data', 'objects']) assert.equal(filesBelow(receiver, folder), [], folder)
  return checkParts(receiver, parts)
}

async function taken({ server, record }: Site, store: Repository): Promise<number> {
  const pulled = await pull(store, server)
  assert.ok(pulled.record.equals(record))
  assert.equal((await store.fsck()).findings, [])
  return pulled.receivedBytes
}

const textOf = ({ annotations }: Descriptor): string => String(annotations![PARTS])

tests('blobs of any parts are taken, and of each only the parts that are missing', async () => {
  for (const blobs of bySize([[1, 3]], [[Infinity], [2, 2], [1, 3], [3, 1]])) {
    const site = await newSite()
    const { server } = site
    for (const [i, count] of blobs.entries()) if (count > 1) server.join(i, count)
    const ranges: string[] = []
    server.meddle = ({ url = '', headers }) => {
      if (server.of('data').some(({ digest }) => url.endsWith(digest))) ranges.push(headers.range ?? 'all')
      return false
    }
    const total = server.of('data').reduce((sum, { size }) => sum + size, 0)
    assert.is(await taken(site, await newStore()), total)
    assert.equal([...new Set(ranges)], ['all'])
    ranges.length = 0
    const half = await halfStore()
    const there = filesBelow(half, 'parts').reduce(
      (sum, path) => sum + (site.parts.get(nameOf(half, path)) ?? 0),
      0
    )
    assert.ok(there > 0, 'some parts are there')
    assert.is(await taken(site, half), total - there)
    assert.ok(ranges.some(range => range.startsWith('bytes=')))
  }
})

tests('parts in another store of the search are taken from there, and the others from the blob', async () => {
  const site = await newSite()
  const { server, parts } = site
  server.join()
  const { root } = await newStore()
  const store = await openRepository({ store: root, path: (await halfStore()).root })
  const [, second] = parts.values()
  assert.is(await taken(site, store), sizeOf(site) - second)
  assert.is(checkParts(store, parts), parts.size)
})

needing(tests, 'root')('parts that are here for a group alone come again, and stay closed', async () => {
  const site = await newSite()
  site.server.join()
  const more = join(scratch(), 'more')
  mkdirSync(more)
  bash('cp "$1"/* "$2"; echo text > "$2/text"', tree, more)
  const settings = { accessGroups: [{ gid: 61001 }] }
  const closed = await newStore()
  await importInto(closed, 'app/closed-1', [more], { settings })
  const before = new Map(filesBelow(closed, 'parts').map(path => [path, statSync(path).mode]))
  assert.ok([...before.keys()].some(path => site.parts.has(nameOf(closed, path))))
  assert.is(await taken(site, closed), sizeOf(site))
  for (const [path, mode] of before) assert.is(statSync(path).mode, mode)
  // The other way round, the parts are open already.
  const open = await newStore()
  await importInto(open, 'app/open-1', [more])
  assert.ok((await taken(site, open)) < sizeOf(site))
})

tests(
  'a push takes a manifest that is there for its own, if it has the same parts in any blobs',
  async () => {
    const { store, record } = await usual
    const { server } = await newSite()
    const sent = await SentModule.read(store, record)
    const like = (manifest: unknown) => sent.manifestLike(Buffer.from(JSON.stringify(manifest)))
    const blob = server.join(1, 2)
    const own = like(server.manifest)!
    assert.equal(JSON.parse(own.bytes.toString()), server.manifest)
    for (const { digest, chunks } of own.blobs) {
      const hash = createHash('sha256')
      for await (const piece of chunks()) hash.update(piece)
      assert.is(`sha256:${hash.digest('hex')}`, digest)
    }
    assert.ok(own.blobs.some(({ digest, sizeBytes }) => digest === blob.digest && sizeBytes === blob.size))
    type Change = (layers: Descriptor[], at: number) => unknown
    const changes: Change[] = [
      layers => layers.pop(),
      layers => layers.push(layers.at(-1)!),
      (layers, at) => layers.splice(at, 2, layers[at + 1], layers[at]),
      (layers, at) => layers[at].size++,
      (layers, at) => delete layers[at].annotations,
      (layers, at) => layers[at + 1].size--,
      // The recipe as a sidecar, and the first part as the recipe.
      (layers, at) => {
        layers[at - 2].mediaType = layers[at - 2].mediaType
          .replace('recipe', 'sidecar')
          .replace('v1', 'v1+json')
        layers[at - 1].mediaType = layers[at - 2].mediaType.replace('sidecar', 'recipe').replace('+json', '')
      }
    ]
    for (const change of changes) {
      const other = structuredClone(server.manifest)
      change(
        other.layers,
        other.layers.findIndex(({ digest }: Descriptor) => digest === blob.digest)
      )
      assert.is(like(other), undefined, String(change))
    }
  }
)

const H = '0'.repeat(64)

const FAULTS: [string, (text: string) => unknown, RegExp][] = [
  ['a number', () => 7, /does not say of which parts/],
  ['a list', text => text.split(','), /does not say of which parts/],
  ['null', () => null, /does not say of which parts/],
  ['empty', () => '', /names a part ""/],
  ['a comma', text => `${text},`, /names a part ""/],
  ['without lengths', text => text.replaceAll(/:[0-9]+/g, ''), /names a part "[0-9a-f]{64}"/],
  ['with a part of no bytes', text => `${H}:0,${text}`, /names a part "0{64}:0"/],
  ['with a length below nothing', text => `${H}:-1,${text}`, /names a part "0{64}:-1"/],
  ['with a length of many digits', text => `${text},${H}:${'9'.repeat(400)}`, /names a part "0{64}:9{35}"/],
  ['with a length of 4 GB', text => `${text},${H}:4294967296`, /is data of 4294967296 bytes/],
  ['with more bytes than the blob', text => `${text},${H}:1`, /has [0-9]+ bytes, and its parts [0-9]+/],
  ['with fewer bytes than the blob', text => text.slice(text.indexOf(',') + 1), /and its parts/],
  ['with one part twice', text => `${text},${text.split(',')[0]}`, /and its parts/],
  ['with capitals', text => text.toUpperCase(), /names a part/],
  ['with escapes', () => `\u001b[2J${H}:5`, /names a part/]
]

for (const [what, change, message] of someOf(FAULTS, 3))
  tests(`an annotation that is ${what} is refused before any data are asked for`, async () => {
    const site = await newSite()
    const blob = site.server.join()
    blob.annotations![PARTS] = change(textOf(blob))
    assert.is(await refused(site, message), 0)
    assert.not.ok(site.server.asked.includes(blob.digest))
  })

for (const [what, change] of Object.entries<(blob: Descriptor, server: ModuleServer) => void>({
  'said to have a terabyte, in parts that fit': blob => {
    const more = Array.from({ length: 500 }, () => `${H}:2147483647`)
    blob.annotations![PARTS] = [textOf(blob), ...more].join()
    blob.size += 500 * 2147483647
  },
  'said to have one part many times': (blob, server) => {
    const [part] = textOf(blob).split(',')
    const size = Number(part.split(':')[1])
    blob.annotations![PARTS] = Array.from({ length: MANY }, () => part).join()
    server.of('data')[0].size = MANY * size
  },
  'named twice': (blob, { manifest }) => manifest.layers.push(blob)
}))
  tests(`a blob that is ${what} is refused before any data are asked for`, async () => {
    const site = await newSite()
    const blob = site.server.join()
    change(blob, site.server)
    assert.is(await refused(site, /sends \d+ bytes of data, but its recipe has a data file of \d+/), 0)
    assert.not.ok(site.server.asked.includes(blob.digest))
  })

tests('parts in another order than they lie in the blob are refused by their hashes', async () => {
  const site = await newSite()
  const blob = site.server.join()
  const parts = textOf(blob).split(',')
  blob.annotations![PARTS] = parts.toReversed().join()
  assert.is(await refused(site, /part sha256:[0-9a-f]{64} hashes to sha256:/), 0)
  // Also if the bytes are in that order: the data file is another one then.
  const [first, second, ...rest] = site.parts.entries()
  const bytes = site.server.blobs.get(blob.digest)!
  const turned = [
    bytes.subarray(first[1], first[1] + second[1]),
    bytes.subarray(0, first[1]),
    bytes.subarray(first[1] + second[1])
  ]
  site.server.exchange(blob, Buffer.concat(turned))
  blob.annotations![PARTS] = [second, first, ...rest].map(part => part.join(':')).join()
  const count = await refused(site, /hashes to|bytes|content|block|parts/)
  assert.is(count, site.parts.size, 'the parts themselves are right')
  assert.ok(site.server.asked.includes(blob.digest))
})

tests('lengths that overlap, or are moved by one, are refused by hashes', async () => {
  for (const shift of [1, -1, 4096]) {
    const site = await newSite()
    const blob = site.server.join()
    const parts = textOf(blob).split(',')
    const moved = (text: string, by: number) => text.replace(/[0-9]+$/, bytes => String(Number(bytes) + by))
    parts[1] = moved(parts[1], shift)
    parts[2] = moved(parts[2], -shift)
    blob.annotations![PARTS] = parts.join()
    assert.is(await refused(site, /part sha256:[0-9a-f]{64} hashes to sha256:/), 1)
  }
})

tests('a part with other bytes is refused, and those before it stay, which are right', async () => {
  for (const at of bySize([2], [0, 2, -1])) {
    const site = await newSite()
    const blob = site.server.join()
    const names = [...site.parts.keys()]
    const bad = names.at(at)!
    const before = [...site.parts.values()].slice(0, names.indexOf(bad))
    const bytes = Buffer.from(site.server.blobs.get(blob.digest)!)
    bytes[before.reduce((sum, size) => sum + size, 0) + 1000] ^= 1
    for (const isRenamed of [false, true]) {
      if (isRenamed) site.server.exchange(blob, bytes)
      else site.server.blobs.set(blob.digest, bytes)
      assert.is(await refused(site, new RegExp(`part sha256:${bad} hashes to sha256:`)), before.length)
      await refused(site, new RegExp(`part sha256:${bad} hashes to sha256:`), await halfStore())
    }
  }
})

/** Answers to requests for data, in place of the server. */
type Answering = (
  response: ServerResponse,
  bytes: Buffer,
  range: { from: number; to: number } | undefined
) => void

function answering({ server }: Site, blob: Descriptor, answer: Answering): void {
  server.meddle = ({ url = '', headers }, response) => {
    if (!url.endsWith(blob.digest)) return false
    const bytes = server.blobs.get(blob.digest)!
    const [, from, to] = /^bytes=([0-9]+)-([0-9]*)$/.exec(headers.range ?? '') ?? []
    answer(response, bytes, from === undefined ? undefined : { from: +from, to: to ? +to : bytes.length - 1 })
    return true
  }
}

const send = (
  response: ServerResponse,
  bytes: Buffer,
  from: number,
  to: number,
  said = `bytes ${from}-${to}`
) => response.writeHead(206, { 'content-range': `${said}/${bytes.length}` }).end(bytes.subarray(from, to + 1))

const ANSWERS: Record<string, Answering> = {
  'ignores ranges': (response, bytes) => response.end(bytes),
  'begins before what was asked for': (response, bytes, range) =>
    range ? send(response, bytes, Math.max(0, range.from - 5000), range.to) : response.end(bytes),
  'sends all that follows': (response, bytes, range) =>
    range ? send(response, bytes, range.from, bytes.length - 1) : response.end(bytes),
  'sends two bytes more': (response, bytes, range) =>
    range ? send(response, bytes, range.from, range.to + 2) : response.end(bytes),
  'sends a megabyte and a half each time': (response, bytes, range) => {
    const { from, to } = range ?? { from: 0, to: bytes.length - 1 }
    send(response, bytes, from, Math.min(to, from + 1_500_000))
  }
}

for (const [what, answer] of someOf(Object.entries(ANSWERS), 1))
  tests(`a registry that ${what} leads to the same module`, async () => {
    const site = await newSite()
    const blob = site.server.join()
    // A full request is answered with 200, as the specification wants it.
    answering(site, blob, (response, bytes, range) => {
      if (range === undefined) response.end(bytes)
      else answer(response, bytes, range)
    })
    await taken(site, await halfStore())
    if (SIZE === 'all') await taken(site, await newStore())
  })

const WRONG_ANSWERS: [string, RegExp, Answering][] = [
  [
    'answers with a range behind',
    /it sends those from \d+ on/,
    (response, bytes, range) => send(response, bytes, range!.from + 1, range!.to)
  ],
  [
    'does not say which range it sends',
    /without saying which/,
    (response, bytes, range) => send(response, bytes, range!.from, range!.to, 'pages 1-2')
  ],
  [
    'says the range and sends another one',
    /hashes to sha256:/,
    (response, bytes, range) =>
      send(response, bytes, range!.from + 1, range!.to + 1, `bytes ${range!.from}-${range!.to}`)
  ],
  [
    'sends zeros without end',
    /hashes to sha256:/,
    (response, _bytes, range) => {
      response.writeHead(206, { 'content-range': `bytes ${range!.from}-${range!.to}/*` })
      endless(response)
    }
  ],
  ['ignores ranges and sends zeros without end', /hashes to sha256:/, response => endless(response)],
  [
    'has a shorter blob than its manifest says',
    /416|hashes to sha256:|status/,
    (response, bytes) => response.writeHead(416, { 'content-range': `bytes */${bytes.length - 1}` }).end()
  ]
]

for (const [what, message, answer] of someOf(WRONG_ANSWERS, 2))
  tests(`a registry that ${what} gives nothing a name`, async () => {
    const site = await newSite()
    const blob = site.server.join()
    answering(site, blob, (response, bytes, range) => {
      if (range === undefined) response.end(bytes)
      else answer(response, bytes, range)
    })
    await refused(site, message, await halfStore())
  })

function endless(response: ServerResponse): void {
  const more = () => void (response.destroyed || response.write(Buffer.alloc(1 << 20), more))
  more()
}

tests('a stretch that never has more bytes is given up', async () => {
  const site = await newSite()
  const blob = site.server.join()
  answering(site, blob, (response, bytes, range) => {
    if (range === undefined) response.end(bytes)
    else send(response, bytes, range.from, range.from - 1, `bytes ${range.from}-${range.to}`)
  })
  const store = await halfStore()
  await refusedLater(pull(store, site.server), 'REGISTRY_UNREACHABLE', /broke off again and again/)
  assert.equal((await store.fsck()).findings, [])
})

tests('a blob that is cut off anywhere goes on there, in stretches too', async () => {
  const site = await newSite()
  const blob = site.server.join()
  const ends = [...site.parts.values()].map((_, i, sizes) => sizes.slice(0, i + 1).reduce((a, b) => a + b))
  const atEnds = ends.flatMap(end => [end - 1, end, end + 1]).filter(at => at < blob.size)
  const anywhere = Array.from({ length: 50 }, (_, i) => Math.floor((i * blob.size) / 50))
  const places = bySize([atEnds[1]], [...atEnds, ...anywhere])
  for (const [i, place] of places.entries()) {
    let cuts = 0
    answering(site, blob, (response, bytes, range) => {
      const { from, to } = range ?? { from: 0, to: bytes.length - 1 }
      const isCut = cuts === 0 && place >= from && place <= to
      const headers = { 'content-length': to + 1 - from }
      if (range === undefined) response.writeHead(200, headers)
      else response.writeHead(206, { ...headers, 'content-range': `bytes ${from}-${to}/${bytes.length}` })
      if (!isCut) return void response.end(bytes.subarray(from, to + 1))
      cuts++
      response.flushHeaders()
      response.write(bytes.subarray(from, place), () => response.destroy())
    })
    await taken(site, i % 2 === 0 ? await newStore() : await halfStore())
    if (i % 2 === 0) assert.is(cuts, 1, `at ${place}`)
  }
})

tests.run()
