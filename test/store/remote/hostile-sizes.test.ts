/** Small things that would unpack to large ones: each is refused before memory or the store is filled with it. */
import { appendFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { mostSidecarBytes, refuseManyValues } from '../../../store/acl/sidecar-size.ts'
import { encodeRecord } from '../../../store/module/record.ts'
import { LayoutFiles } from '../../../store/oci/layout-files.ts'
import { digestOf, PushRepository } from '../../../store/registry/push-repository.ts'
import { listTags } from '../../../store/registry/remote-repository.ts'
import { MANIFEST_TYPE } from '../../../store/remote/module-manifest.ts'
import { pullArchive } from '../../../store/remote/pull-archive.ts'
import { pullManifest } from '../../../store/remote/pull-stack.ts'
import {
  childrenIn,
  encodeLockManifest,
  encodeStackIndex,
  INDEX_TYPE
} from '../../../store/remote/stack-index.ts'
import { updateCatalogue } from '../../../store/remote/update-catalogue.ts'
import { manifestCid } from '../../../store/values/digest.ts'
import { DEFAULT_LIMITS } from '../../../store/values/limits.ts'
import { nobody } from '../../helpers/fake-registry.ts'
import { type ModuleServer, moduleServers } from '../../helpers/module-server.ts'
import { atAllSize } from '../../helpers/needs.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { sha256 } from '../../helpers/tar-read.ts'

const tests = suite('remote: sizes that hostile senders choose')
const long = atAllSize(tests)
const serve = moduleServers(tests)

async function newServer(): Promise<ModuleServer> {
  const tree = join(scratch(), 'tree')
  mkdirSync(tree)
  writeFileSync(join(tree, 'file'), 'text')
  const store = await newStore()
  return serve(store, (await importInto(store, 'lib/tool-1', [tree])).record)
}

const text = (piece: string, count: number): Buffer => Buffer.from(`{"entries":[${piece.repeat(count)}]}`)

tests(
  'a sidecar of empty objects is refused before it is parsed, and that of a million entries is not',
  () => {
    assert.throws(() => refuseManyValues(text('{},', 10_000), 1e6), /sidecar: more than \d+ values/)
    assert.throws(() => refuseManyValues(text('{"acl":0,"path":"a"},', 400_000), 1), /with 1 entries/)
    const entry = '{"acl":0,"attributes":0,"defaultAcl":0,"path":"a"},'
    refuseManyValues(text(entry, 1e6), 1e6)
    refuseManyValues(text('{"acl":0,"path":""},', 1e6), 1e6)
    refuseManyValues(text(String.raw`{"acl":0,"path":",,\"{{[[,,,,,,,,,,,,,,,,,,"},`, 1000), 1000)
    assert.ok(mostSidecarBytes(1) < 33 << 20)
    assert.is(mostSidecarBytes(1e6), 256 << 20)
  }
)

tests('an entry that stands many times in the index of a lock is one child', () => {
  const one = (kind: string, digit: string) => ({
    digest: `sha256:${digit.repeat(64)}`,
    size: 10,
    annotations: { 'dev.strata.kind': kind }
  })
  const manifests = [one('lock', 'a'), ...Array.from({ length: 400 }, () => one('module', 'b'))]
  assert.is(childrenIn({ manifests })?.length, 2)
})

const options = {
  registry: nobody(),
  replace: false,
  limits: DEFAULT_LIMITS,
  modulesOf: () => []
}

/** A layout in memory that counts how often each file is read. */
function layoutOf(files: Map<string, Buffer>): { reads: Map<string, number>; find: (path: string) => never } {
  const reads = new Map<string, number>()
  const find = (path: string) => {
    const bytes = files.get(path)
    reads.set(path, (reads.get(path) ?? 0) + 1)
    return (
      bytes && {
        sizeBytes: bytes.length,
        chunks: async function* () {
          yield bytes
        }
      }
    )
  }
  return { reads, find: find as never }
}

const entryOf = (digest: string) => ({ mediaType: MANIFEST_TYPE, digest, size: 2 })

tests('a manifest that index.json lists many times is read once', async () => {
  const digest = sha256(Buffer.from('{}')).replace(/^(sha256:)?/, 'sha256:')
  const path = `blobs/sha256/${digest.slice(7)}`
  const manifests = Array.from({ length: 1000 }, () => entryOf(digest))
  const index = Buffer.from(JSON.stringify({ manifests }))
  const layout = layoutOf(
    new Map([
      ['index.json', index],
      [path, Buffer.from('{}')]
    ])
  )
  const pulled = pullArchive(await newStore(), layout, { host: 'oci-archive:x' }, options)
  await refusedLater(pulled, 'REGISTRY_UNKNOWN', /neither a module nor a lock/)
  assert.is(layout.reads.get(path), 1)
})

tests('an index.json with more manifests than a site has is refused before one is read', async () => {
  const manifests = Array.from({ length: 20_001 }, (_, i) => entryOf(`sha256:${String(i).padStart(64, '0')}`))
  const layout = layoutOf(new Map([['index.json', Buffer.from(JSON.stringify({ manifests }))]]))
  const pulled = pullArchive(await newStore(), layout, { host: 'oci-archive:x' }, options)
  await refusedLater(pulled, 'REGISTRY_INVALID', /lists 20001 manifests/)
  assert.is(layout.reads.size, 1)
})

long(
  'records of a lock that are more than 256 MiB together are refused before a module is received',
  async () => {
    const store = await newStore()
    const tree = join(scratch(), 'tree')
    mkdirSync(tree)
    const { record } = await importInto(store, 'lib/tool-1', [tree])
    const small = await store.readRecord(record)
    const help = `${'long words '.repeat(5_900)}end`
    const records = Array.from({ length: 4200 }, (_, i) =>
      Buffer.from(encodeRecord({ ...small, version: `${i}`, help }))
    )
    const blobs = new Map<string, Buffer>()
    const add = (bytes: Buffer) => {
      const digest = digestOf(bytes)
      blobs.set(digest, bytes)
      return { digest, sizeBytes: bytes.length }
    }
    const lock = add(Buffer.from('{}'))
    const moduleOf = (bytes: Buffer) => {
      const { digest, sizeBytes } = add(bytes)
      const layers = [{ mediaType: 'application/vnd.strata.layer.v1+json', digest: lock.digest, size: 2 }]
      const config = { mediaType: 'application/vnd.strata.record.v1+json', digest, size: sizeBytes }
      return { kind: 'module' as const, ...add(Buffer.from(JSON.stringify({ config, layers }))) }
    }
    const children = [
      { kind: 'lock' as const, ...add(encodeLockManifest(lock, lock.digest)) },
      ...records.map(moduleOf)
    ]
    const index = add(encodeStackIndex(children, { os: 'linux', architecture: 'amd64' }))
    const read: string[] = []
    const repository = {
      place: { host: 'example.org', repository: 'stack' },
      readManifest: async (digest: string) => ({
        bytes: blobs.get(digest)!,
        mediaType: MANIFEST_TYPE,
        digest
      }),
      async *readBlob(digest: string) {
        read.push(digest)
        yield blobs.get(digest)!
      },
      listTags: async () => [],
      close: async () => {}
    }
    const found = {
      repository,
      top: { bytes: blobs.get(index.digest)!, mediaType: INDEX_TYPE, digest: index.digest },
      notes: []
    }
    const modulesOf = () => records.map((bytes, i) => ({ name: `lib/tool-${i}`, record: manifestCid(bytes) }))
    const pulled = pullManifest(await newStore(), found, repository.place, { ...options, modulesOf })
    await refusedLater(
      pulled,
      'REGISTRY_INVALID',
      /example\.org.*records of more than 268435456 bytes together/
    )
    const most = Math.ceil((256 << 20) / records[0].length)
    assert.is(read.length, 1 + most)
  }
)

tests('a list of 900,000 names is an error that names the registry', async () => {
  const server = await newServer()
  const body = JSON.stringify({ tags: new Array(900_000).fill('1') })
  server.meddle = ({ url = '' }, response) => {
    if (!url.includes('/tags/list')) return false
    response.writeHead(200).end(body)
    return true
  }
  const error = await refusedLater(
    listTags({ host: server.host, repository: 'lib/tool' }, nobody()),
    'REGISTRY_INVALID',
    /more than 100000 names/
  )
  assert.match(error.message, server.host)
})

tests('repositories of a remote that have more than 100,000 tags together are refused by name', async () => {
  const server = await newServer()
  const body = JSON.stringify({ tags: Array.from({ length: 60_000 }, (_, i) => `x${i}`) })
  server.meddle = ({ url = '' }, response) => {
    if (url.includes('/_catalog')) response.end('{"repositories":["site/lib/a","site/lib/b"]}')
    else if (url.includes('/tags/list')) response.end(body)
    else return false
    return true
  }
  const remote = { name: 'site', prefix: { host: server.host, path: 'site' }, file: '/nonexistent' }
  const error = await refusedLater(
    updateCatalogue(remote, nobody()),
    'REGISTRY_INVALID',
    /remote site have more than 100000 tags together/
  )
  assert.match(error.message, server.host)
})

tests('a sender of more bytes than it said is refused, and nothing gets a name', async () => {
  const server = await newServer()
  const store = await newStore()
  const hash = sha256(Buffer.from(JSON.stringify(server.manifest))).replace(/^sha256:/, '')
  const digest = `sha256:${hash}`
  const files = new Map([...server.blobs].map(([name, bytes]) => [pathOf(name), bytes]))
  files.set(pathOf(digest), Buffer.from(JSON.stringify(server.manifest)))
  const index = { manifests: [entryOf(digest)] }
  files.set('index.json', Buffer.from(JSON.stringify(index)))
  const grown = (kind: string) => ({
    find(path: string) {
      const bytes = files.get(path)
      const more = server.of(kind).some(one => pathOf(one.digest) === path) ? 'more' : ''
      return bytes && { sizeBytes: bytes.length, chunks: () => piecesOf([bytes, Buffer.from(more)]) }
    }
  })
  for (const kind of ['layer', 'recipe', 'data'])
    await refusedLater(
      pullArchive(store, grown(kind), { host: 'oci:x' }, options),
      'REGISTRY_INVALID',
      /has more than its \d+ bytes/
    )
  for (const folder of ['blobs', 'parts', 'data', 'refs/modules'])
    assert.equal(filesBelow(join(store.root, folder)), [], folder)
  const pulled = await pullArchive(store, grown('nothing'), { host: 'oci:x' }, options)
  assert.is(pulled.modules.length, 1)
})

const pathOf = (digest: string): string => `blobs/sha256/${digest.replace(/^sha256:/, '')}`

async function* piecesOf(pieces: Buffer[]): AsyncGenerator<Buffer> {
  yield* pieces
}

const filesBelow = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap(entry =>
        entry.isFile() ? [entry.name] : []
      )
    : []

tests('a file of a layout that grows gives no more bytes than were announced', async () => {
  const folder = scratch()
  const size = 3 << 20
  writeFileSync(join(folder, 'blob'), Buffer.alloc(size))
  const files = new LayoutFiles(folder)
  let read = 0
  for await (const piece of files.find('blob')!.chunks()) {
    read += piece.length
    appendFileSync(join(folder, 'blob'), Buffer.alloc(size))
  }
  assert.is(read, size)
  const found = files.find('blob')!
  appendFileSync(join(folder, 'blob'), 'x')
  await refusedLater(
    found.chunks()[Symbol.asyncIterator]().next(),
    'SOURCE_INVALID',
    /changed while it was read/
  )
  await files.close()
})

tests('a registry that hides its lists and gives manifests to everybody is open to everybody', async () => {
  const server = await newServer()
  const place = { host: server.host, repository: 'lib/tool', tag: '1' }
  const isOpen = async () => {
    const repository = new PushRepository(place, nobody())
    return repository.isOpenToEverybody('1').finally(() => repository.close())
  }
  const refuse = (hidden: string[], status = 403) => {
    server.meddle = ({ url = '' }, response) => {
      if (!hidden.some(part => url.includes(part))) return false
      response.writeHead(status).end('{}')
      return true
    }
  }
  refuse(['/tags/list'])
  assert.is(await isOpen(), true)
  refuse(['/tags/list', '/manifests/'])
  assert.is(await isOpen(), false)
})

tests.run()
