/** Modules that a registry sends otherwise than they were: nothing of them gets a name. */
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { compress } from 'zstd-napi'
import { NO_CONSENT } from '../../../store/access/widening.ts'
import { storedRecipe } from '../../../store/import/receive-layer.ts'
import { CompressPool } from '../../../store/object/compress-pool.ts'
import { HashedFile } from '../../../store/object/hashed-file.ts'
import { DATA_SCHEMA, type DataTables, NONE } from '../../../store/object/layer-index.ts'
import { RecipeWriter, readRecipe } from '../../../store/object/recipe.ts'
import { listRepositories } from '../../../store/registry/list-names.ts'
import { findImage, listTags } from '../../../store/registry/remote-repository.ts'
import { MANIFEST_TYPE } from '../../../store/remote/module-manifest.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { sha256Of } from '../../../store/values/digest.ts'
import type { ErrorCode } from '../../../store/values/errors.ts'
import { DEFAULT_LIMITS } from '../../../store/values/limits.ts'
import { COMPOSE, environment } from '../../helpers/compose.ts'
import { nobody } from '../../helpers/fake-registry.ts'
import { hostGroups, NOBODYS_GROUP } from '../../helpers/host-groups.ts'
import { type Descriptor, type ModuleServer, moduleServers } from '../../helpers/module-server.ts'
import { atCheckSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const tests = suite('remote: hostile modules')
const long = atCheckSize(tests)

const serve = moduleServers(tests)

/** A module with files in several parts, and an ACL. */
async function newModule(script: string): Promise<{ store: Repository; record: CID }> {
  const tree = join(scratch(), 'tree')
  mkdirSync(tree)
  for (const name of ['a', 'b', 'c']) writeFileSync(join(tree, name), randomBytes(2_500_000))
  writeFileSync(join(tree, 'text'), 'text\n'.repeat(100))
  bash(`cd "$1"; setfacl -m u:1234:r text; ${script}`, tree)
  const store = await newStore()
  const { record } = await importInto(store, 'lib/tool-1', [tree])
  return { store, record }
}

const usual = newModule('')

/** Serves the same module in each test, or one whose files a script has changed. */
async function newServer(script = ''): Promise<{ server: ModuleServer; store: Repository; record: CID }> {
  const { store, record } = await (script === '' ? usual : newModule(script))
  const server = await serve(store, record)
  return { server, store, record }
}

const pull = (store: Repository, { host }: ModuleServer, repository = 'lib/tool', limits = DEFAULT_LIMITS) =>
  store.pullModule({ host, repository, tag: '1' }, { registry: nobody(), replace: false, limits })

const filesBelow = (store: Repository, folder: string): string[] =>
  readdirSync(join(store.root, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(({ name }) => name)

/** @param folders that must stay empty */
async function refused(
  server: ModuleServer,
  { code = 'REGISTRY_INVALID', message }: { code?: ErrorCode; message: RegExp }
): Promise<void> {
  const store = await newStore()
  await refusedLater(pull(store, server), code, message)
  for (const folder of ['refs', 'tmp', 'data', 'objects']) assert.equal(filesBelow(store, folder), [], folder)
}

const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy[at] ^= 1
  return copy
}

long('an honest server sends what the other store has', async () => {
  const { server, record } = await newServer()
  const store = await newStore()
  const pulled = await pull(store, server)
  assert.ok(pulled.record.equals(record))
  assert.ok(server.of('data').length > 2)
  assert.equal((await store.fsck()).findings, [])
})

for (const kind of ['record', 'layer', 'sidecar', 'recipe', 'data'])
  tests(`a ${kind} with other bytes than its digest says is refused`, async () => {
    const { server } = await newServer()
    const one: Descriptor = kind === 'record' ? server.manifest.config : server.of(kind)[0]
    server.blobs.set(one.digest, flipped(server.blobs.get(one.digest)!, one.size >> 1))
    await refused(server, { message: new RegExp(/sidecar|record/.test(kind) ? kind : one.digest) })
  })

for (const kind of ['layer', 'sidecar', 'recipe', 'data'])
  tests(`another ${kind}, whose digest fits, is refused`, async () => {
    const { server } = await newServer()
    const one = server.of(kind)[0]
    server.exchange(one, flipped(server.blobs.get(one.digest)!, one.size - 140))
    await refused(server, { message: /127\.0\.0\.1:.*lib\/tool/ })
  })

for (const [what, change] of Object.entries<(server: ModuleServer) => void>({
  'parts in another order': ({ manifest }) => {
    const at = manifest.layers.findIndex(({ mediaType }: Descriptor) => mediaType.includes('.data.'))
    manifest.layers.push(...manifest.layers.splice(at, 1))
  },
  'a part that is missing': ({ manifest }) => manifest.layers.pop(),
  'a part too many': ({ manifest }) => manifest.layers.push(manifest.layers.at(-1)),
  'data before their recipe': ({ manifest }) => manifest.layers.reverse(),
  'a type that no module has': server => {
    server.of('data')[0].mediaType = 'application/octet-stream'
  },
  'no recipe': ({ manifest }) => {
    manifest.layers = manifest.layers.filter(({ mediaType }: Descriptor) => !/recipe|data/.test(mediaType))
  },
  'no sidecar': ({ manifest }) => {
    manifest.layers = manifest.layers.filter(({ mediaType }: Descriptor) => !/sidecar/.test(mediaType))
  },
  'no layers': ({ manifest }) => {
    manifest.layers = []
  },
  'layers that are no list': ({ manifest }) => {
    manifest.layers = { length: 1 }
  },
  'a size that is no number': server => {
    Object.assign(server.of('data')[0], { size: '../../etc' })
  },
  'a digest that is a path': server => {
    server.of('data')[0].digest = 'sha256:../../../../etc/passwd'
  },
  'an empty part': server => {
    server.of('data')[0].size = 0
  },
  'a record that is too large to be one': ({ manifest }) => {
    manifest.config.size = 2 ** 40
  },
  'an image in the place of a module': ({ manifest }) => {
    manifest.config.mediaType = 'application/vnd.oci.image.config.v1+json'
  }
}))
  tests(`${what}: refused`, async () => {
    const { server } = await newServer()
    change(server)
    await refused(server, { message: /registry 127\.0\.0\.1:/ })
  })

tests('the record of another module is refused before anything else is asked for', async () => {
  const { server } = await newServer()
  const store = await newStore()
  await refusedLater(pull(store, server, 'app/vasp'), 'REFERENCE_NAME', /app\/vasp:1 holds lib\/tool-1/)
  assert.equal(server.asked, [server.manifest.config.digest])
})

long('a sidecar is fetched when its layer is, so that no more than one is in memory', async () => {
  const store = await newStore()
  const folder = scratch()
  const trees: string[] = []
  for (const user of ['1234', '1235']) {
    trees.push(join(folder, user))
    bash(
      'cd "$1"; mkdir "$2"; head -c 3000000 /dev/urandom > "$2/large"; setfacl -m "u:$2:r" "$2/large"',
      folder,
      user
    )
  }
  const { record } = await importInto(store, 'lib/tool-1', trees)
  const server = await serve(store, record)
  const receiver = await newStore()
  await pull(receiver, server)
  const [first] = server.of('data')
  const second = server.of('sidecar')[1]
  assert.ok(server.asked.indexOf(second.digest) > server.asked.indexOf(first.digest), server.asked.join())
  assert.equal((await receiver.fsck()).findings, [])
})

long('bodies without end and sidecars that unpack without end are cut off', async () => {
  const { server } = await newServer()
  const [part] = server.of('data')
  server.meddle = ({ url }, response) => {
    if (!url?.endsWith(part.digest)) return false
    response.writeHead(200, { 'content-type': 'application/octet-stream' })
    const more = () => void (response.writableEnded || response.write(Buffer.alloc(1 << 20), more))
    more()
    return true
  }
  await refused(server, { message: /more than the \d+ bytes/ })
  const other = (await newServer()).server
  const [sidecar] = other.of('sidecar')
  sidecar.mediaType += '+zstd'
  other.exchange(sidecar, compress(Buffer.alloc(300 << 20)))
  await refused(other, { message: /is larger than 33[0-9]{6}$/ })
})

const [HERE, OTHER] = hostGroups(2)

tests(
  'a group whose id is another group here is refused, with the way to bring the module over',
  async () => {
    const senders = await newStore()
    const tree = join(scratch(), 'tree')
    mkdirSync(tree)
    writeFileSync(join(tree, 'licence'), 'for some')
    const settings = { accessGroups: [{ name: NOBODYS_GROUP, gid: HERE.gid }] }
    const { record } = await importInto(senders, 'lib/tool-1', [tree], { settings })
    const server = await serve(senders, record)
    const store = await newStore()
    const error = await pull(store, server).catch(error => error)
    assert.is(error.code, 'ACCESS_GROUP')
    const wanted = `lib/tool-1 is for group ${NOBODYS_GROUP} with gid ${HERE.gid}, and gid ${HERE.gid} is ${HERE.name} here`
    assert.match(error.message, wanted)
    assert.match(error.hint, /compose export lib\/tool-1 .* compose import lib\/tool-1 .*--access-group/)
    nothingCame(server, store, ['recipe', 'data'])
  }
)

for (const half of ['name', 'gid'] as const)
  long(
    `a group without its ${half} may be another one here, so users have to say that it is not`,
    async () => {
      const senders = await newStore()
      const tree = join(scratch(), 'tree')
      mkdirSync(tree)
      writeFileSync(join(tree, 'licence'), 'for some')
      const settings = { accessGroups: [half === 'name' ? { gid: HERE.gid } : { name: HERE.name }] }
      const { record } = await importInto(senders, 'lib/tool-1', [tree], { settings })
      // An import completes it.
      assert.equal((await senders.readRecord(record)).accessGroups, [HERE])
      const server = await serve(senders, record)
      await pull(await newStore(), server)
      const older = JSON.parse(server.blobs.get(server.manifest.config.digest)!.toString())
      delete older.accessGroups[0][half]
      server.exchange(server.manifest.config, Buffer.from(JSON.stringify(older)))
      server.asked.length = 0
      const store = await newStore()
      const error = await pull(store, server).catch(error => error)
      assert.is(error.code, 'ACCESS_GROUP', error.message)
      assert.match(
        error.message,
        half === 'name' ? `gid ${HERE.gid} is ${HERE.name} here` : `${HERE.name} is gid ${HERE.gid} here`
      )
      assert.match(error.hint, `--open-to group:${HERE.name}`)
      nothingCame(server, store, ['recipe', 'data'])
      const options = { registry: nobody(), replace: false, limits: DEFAULT_LIMITS }
      const place = { host: server.host, repository: 'lib/tool', tag: '1' }
      const other = { ...NO_CONSENT, groups: [{ gid: OTHER.gid }] }
      await refusedLater(
        store.pullModule(place, { ...options, consent: other }),
        'ACCESS_GROUP',
        /lib\/tool-1/
      )
      const consent = { ...NO_CONSENT, groups: [{ name: HERE.name }] }
      await store.pullModule(place, { ...options, consent })
      bash('! find "$1/parts" -type f -perm /o+r | grep .', store.root)
    }
  )

tests('tables of a recipe that would fill the memory are not unpacked', async () => {
  const { server } = await newServer()
  const [recipe] = server.of('recipe')
  const bytes = Buffer.from(server.blobs.get(recipe.digest)!)
  bytes.writeDoubleLE(2 ** 31, bytes.length - 128 + 32)
  server.exchange(recipe, bytes)
  await refused(server, { message: /would unpack to 2147483648/ })
})

/** No byte of data was asked for, and nothing was written that stays. */
function nothingCame(server: ModuleServer, store: Repository, kinds = ['data']): void {
  for (const kind of kinds)
    for (const { digest } of server.of(kind)) assert.not.ok(server.asked.includes(digest), kind)
  for (const folder of ['refs', 'tmp', 'data', 'objects', 'parts'])
    assert.equal(filesBelow(store, folder), [], folder)
}

for (const [what, change] of Object.entries<(server: ModuleServer) => void>({
  'a terabyte more than its recipe has': ({ manifest }) => {
    const more = (_: unknown, i: number) => ({
      mediaType: 'application/vnd.strata.data.v1',
      digest: `sha256:${i.toString(16).padStart(64, '0')}`,
      size: 2 ** 31 - 1
    })
    manifest.layers.push(...Array.from({ length: 500 }, more))
  },
  'a part that is said to be longer than it is': server => {
    server.of('data')[1].size = 2 ** 31 - 1
  },
  'a part twice': ({ manifest }) => manifest.layers.push(manifest.layers.at(-1)),
  'a part less': ({ manifest }) => manifest.layers.pop()
}))
  tests(`data with ${what} are refused before a byte of them is asked for`, async () => {
    const { server } = await newServer()
    change(server)
    const store = await newStore()
    const wanted = /sends \d+ bytes of data, but its recipe has a data file of \d+ bytes/
    await refusedLater(pull(store, server), 'REGISTRY_INVALID', wanted)
    nothingCame(server, store)
  })

tests('limits of an import hold for a tarball that comes from a registry, before its data come', async () => {
  const { server } = await newServer()
  const store = await newStore()
  for (const [limit, value, kinds] of [
    ['totalBytes', 1e6, ['data']],
    ['entries', 2, ['data']],
    ['metadataBytes', 1, ['recipe', 'data']]
  ] as const) {
    server.asked.length = 0
    const limits = {
      ...DEFAULT_LIMITS,
      ...(limit === 'metadataBytes' && { entries: 0, totalBytes: 0 }),
      [limit]: value
    }
    await refusedLater(pull(store, server, 'lib/tool', limits), 'LIMIT_EXCEEDED', /bytes|contents/)
    nothingCame(server, store, [...kinds])
  }
})

tests('tables that ask for more data than the contents have are refused before the data', async () => {
  const { server, store: senders, record } = await newServer('rm a b c')
  const { layers } = await senders.readRecord(record)
  const honest = (await storedRecipe(senders, sha256Of((await senders.readLayer(layers[0])).tar)))!
  const tables = tablesOf(honest)
  tables.fragmentStored[0] = 131072 | (1 << 24)
  const pieces: Buffer[] = []
  for await (const piece of senders.readBlob(sha256Of((await senders.readLayer(layers[0])).tar)))
    pieces.push(Buffer.from(piece))
  server.exchange(
    server.of('recipe')[0],
    await rewritten(honest, Buffer.concat(pieces), tables, randomBytes(32))
  )
  server.of('data')[0].size = 131072
  const store = await newStore()
  await refusedLater(pull(store, server), 'REGISTRY_INVALID', /fragment 0 is longer than its \d+ bytes/)
  nothingCame(server, store)
})

long('bytes that a tarball does not have cannot hide in the hole of a file', async () => {
  const script = 'rm a b c; truncate -s 131072 a; head -c 131072 /dev/urandom >>a'
  const { server, store, record } = await newServer(script)
  // The hole of the file becomes a block with bytes; its second block stays as it is.
  const { layers } = await store.readRecord(record)
  const tar = sha256Of((await store.readLayer(layers[0])).tar)
  const honest = (await storedRecipe(store, tar))!
  const hidden = Buffer.concat([randomBytes(131072), server.blobs.get(server.of('data')[0].digest)!])
  const pieces: Buffer[] = []
  for await (const piece of store.readBlob(tar)) pieces.push(Buffer.from(piece))
  const tables = tablesOf(honest)
  const holed = tables.blockStored.indexOf(0)
  assert.ok(holed >= 0, 'the file has a hole')
  tables.blockStored[holed] = 131072 | (1 << 24)
  for (let i = 0; i < tables.contentStart.length; i++)
    if (tables.contentFirstBlock[i] > holed || tables.contentStart[i] > 0) tables.contentStart[i] += 131072
  for (let i = 0; i < tables.fragmentStart.length; i++) tables.fragmentStart[i] += 131072
  const dataSha256 = createHash('sha256').update(hidden).digest()
  const recipe = await rewritten(honest, Buffer.concat(pieces), tables, dataSha256)
  server.exchange(server.of('recipe')[0], recipe)
  server.exchange(server.of('data')[0], hidden)
  await refused(server, { message: /content \d+ has other bytes/ })
})

type HonestRecipe = NonNullable<Awaited<ReturnType<typeof storedRecipe>>>

/** A copy that a test may change. */
const tablesOf = ({ columns }: HonestRecipe): DataTables =>
  Object.fromEntries(
    Object.keys(DATA_SCHEMA).map(name => [name, columns[name as keyof DataTables].slice()])
  ) as unknown as DataTables

/** The same steps with other tables. */
async function rewritten(
  { columns, profile }: HonestRecipe,
  tarball: Buffer,
  tables: DataTables,
  dataSha256: Buffer
): Promise<Buffer> {
  const path = join(scratch(), 'recipe')
  const [file, pool] = [await open(path, 'w+'), new CompressPool()]
  const writer = new RecipeWriter(new HashedFile(file as never), pool)
  let at = 0
  for (let step = 0; step < columns.stepContent.length; step++) {
    writer.literal(tarball.subarray(at, at + columns.literalBytes[step]))
    at += columns.literalBytes[step] + columns.rangeBytes[step]
    if (columns.stepContent[step] === NONE) continue
    writer.content(columns.stepContent[step], columns.rangeStart[step], columns.rangeBytes[step])
  }
  await writer.finish(tables, profile, dataSha256)
  await pool.close()
  const { size } = await file.stat()
  const bytes = Buffer.alloc(size)
  await file.read(bytes, 0, size, 0)
  await readRecipe(file as never)
  await file.close()
  return bytes
}

tests('names that no registry may have are passed over, and no hash is made by their word', async () => {
  const { server } = await newServer()
  server.meddle = ({ url = '' }, response) => {
    if (url === '/v2/') return false
    const tags = ['1', '9:x', '1\u001b[2J', '1/../2', '.1']
    const repositories = ['lib/tool', 'lib/\u001b[2J', '../x', 'LIB/tool', 'lib/tool?a']
    response.writeHead(200, { 'content-type': MANIFEST_TYPE }).end(JSON.stringify({ tags, repositories }))
    return true
  }
  const { host } = server
  assert.equal(await listTags({ host, repository: 'lib/tool' }, nobody()), ['1'])
  assert.equal(await listRepositories(host, nobody()), ['lib/tool'])
  await refusedLater(
    findImage({ host, repository: 'lib/tool', tag: '9:x' }, nobody()),
    'REGISTRY_INVALID',
    /not a digest/
  )
})

tests('answers that are cut off, and a busy registry in between, end in the same module', async () => {
  const { server, record } = await newServer()
  const store = await newStore()
  const seen = new Map<string, number>()
  server.meddle = ({ url = '' }, response) => {
    const times = (seen.get(url) ?? 0) + 1
    seen.set(url, times)
    const name = url.slice(url.lastIndexOf('/') + 1)
    const bytes = server.blobs.get(name)
    if (times === 1) response.writeHead(503, { 'retry-after': '1' }).end()
    else if (times === 2 && bytes !== undefined) {
      response.writeHead(200, { 'content-length': bytes.length })
      response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy())
    } else return false
    return true
  }
  assert.ok((await pull(store, server)).record.equals(record))
  assert.equal((await store.fsck()).findings, [])
})

long('a pull that was killed fetches only the rest, and leaves no name before', async () => {
  const { server, record } = await newServer()
  const store = await newStore()
  const parts = server.of('data').map(({ digest }) => digest)
  const last = parts.at(-1)!
  // A server that stops in the middle of the last part; the process is killed when the others have come.
  server.meddle = ({ url }, response) => {
    if (!url?.endsWith(last)) return false
    response.writeHead(200, { 'content-length': server.blobs.get(last)!.length })
    response.write(server.blobs.get(last)!.subarray(0, 100))
    return true
  }
  await killed(store, server, () => filesBelow(store, 'parts').length === new Set(parts).size - 1)
  assert.equal(filesBelow(store, 'refs'), [])
  server.meddle = () => false
  server.asked.length = 0
  const { record: pulled } = await pull(store, server)
  assert.ok(pulled.equals(record))
  assert.equal(
    server.asked.filter(digest => parts.includes(digest)),
    [last]
  )
})

/** Runs a pull in a process of its own until something is true, and kills it. */
async function killed(store: Repository, { host }: ModuleServer, isThere: () => boolean): Promise<void> {
  const child = spawn(process.execPath, [COMPOSE, 'pull', `${host}/lib/tool:1`], {
    env: environment(store.root),
    stdio: 'ignore'
  })
  for (let round = 0; round < 3000 && !isThere(); round++)
    await new Promise(resolve => setTimeout(resolve, 10))
  assert.ok(isThere(), 'the other parts came')
  child.kill('SIGKILL')
  await new Promise(resolve => child.once('exit', resolve))
}

atCheckSize(needing(tests, 'root'))(
  'a sender who only names the parts of a restricted module opens none of them',
  async () => {
    const { server, store: senders, record } = await newServer('head -c 1000000 /dev/urandom > d')
    const store = await newStore()
    const [{ path }] = await senders.exportModule(record, join(scratch(), 'out'))
    bash('mkdir "$1.tree"; tar -xf "$1" -C "$1.tree"; echo more > "$1.tree/text"', path)
    await importInto(store, 'app/closed-1', [`${path}.tree`], {
      settings: { accessGroups: [{ gid: 61001 }] }
    })
    const closed = filesBelow(store, 'parts')
    assert.ok(server.of('data').some(({ digest }) => closed.includes(digest.slice('sha256:'.length + 2))))
    for (const { digest } of server.of('data')) server.blobs.delete(digest)
    await refusedLater(pull(store, server), 'REGISTRY_UNKNOWN', /is not there/)
    assert.equal(filesBelow(store, 'parts'), closed)
    bash('! find "$1/parts" -type f -perm /o+r | grep .', store.root)
  }
)

tests.run()
