/** Modules whose data travel in blobs of several parts, in real registries, archives and locks. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { COMPOSE, environment } from '../helpers/compose.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { type RunningRegistry, startRegistry, stopRegistries } from '../helpers/registry.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { newStore } from '../helpers/tool-site.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const tests = suite('cli: large modules in registries')
const registry = needing(tests, 'docker-registry', 'skopeo', 'openssl')
const others: ChildProcess[] = []
tests.after(() => {
  stopRegistries()
  for (const child of others) child.kill('SIGKILL')
})

const INSECURE = ['--src-tls-verify=false', '--dest-tls-verify=false']
const OBJECT_CORRUPT = 12

interface Descriptor {
  mediaType: string
  digest: string
  size: number
  annotations?: Record<string, string>
}

interface Parted {
  digest: string
  size: number
  parts: { sha256: string; bytes: number }[]
}

/** The blobs of data that a manifest names, as skopeo reads it, with the parts that its annotations tell. */
function blobsIn(reference: string): Parted[] {
  const words = ['inspect', '--raw', '--tls-verify=false', `docker://${reference}`]
  const { layers } = JSON.parse(execFileSync('skopeo', words, { maxBuffer: 1 << 26 }).toString())
  return layers
    .filter(({ mediaType }: Descriptor) => mediaType === 'application/vnd.strata.data.v1')
    .map(({ digest, size, annotations }: Descriptor) => ({
      digest,
      size,
      parts: partsIn(digest, size, annotations)
    }))
}

function partsIn(digest: string, size: number, annotations: Descriptor['annotations']): Parted['parts'] {
  const text = annotations?.['dev.strata.parts']
  if (text === undefined) return [{ sha256: digest.slice('sha256:'.length), bytes: size }]
  return text.split(',').map(part => {
    const [sha256, bytes] = part.split(':')
    return { sha256, bytes: Number(bytes) }
  })
}

const several = (blobs: Parted[]): Parted[] => blobs.filter(({ parts }) => parts.length > 1)
const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0)
const sizeOf = (blobs: Parted[]): number => sum(blobs.map(({ size }) => size))
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Files of 144 MB together, of which none can be packed, and which begin with a part of their own each. */
function newTree(): string {
  const tree = join(scratch(), 'tree')
  mkdirSync(join(tree, 'opt'), { recursive: true })
  for (let i = 0; i < 64; i++) writeFileSync(join(tree, `opt/file${i}`), randomBytes(2_250_000))
  return tree
}

const tree = newTree()
let usual: string | undefined

/** A store with the versions 1 and 2 of one module, which differ in one place, and tests that change none of it. */
function publisher(): string {
  if (usual !== undefined) return usual
  usual = newStore()
  composed(usual, ['import', 'lib/big-1', tree])
  const file = openSync(join(tree, 'opt/file30'), 'r+')
  writeSync(file, randomBytes(100_000), 0, 100_000, 1_000_000)
  composed(usual, ['import', 'lib/big-2', tree])
  return usual
}

const partFiles = (store: string): string[] =>
  readdirSync(join(store, 'parts'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && !entry.name.endsWith('.checked'))
    .map(entry => join(entry.parentPath, entry.name))

const notesIn = (store: string): string[] =>
  readdirSync(store, { recursive: true, withFileTypes: true })
    .filter(entry => entry.name.endsWith('.checked'))
    .map(entry => join(entry.parentPath, entry.name))

/** A file as notes tell it. */
function identityOf(path: string): string {
  const { size, ino, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
  return `${size} ${ino} ${mtimeNs} ${ctimeNs}`
}

const refsOf = (store: string): string[] =>
  readdirSync(join(store, 'refs'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(({ name }) => name)

/** The hashes of the parts that a store has, by their names. */
const partNames = (store: string): Set<string> =>
  new Set(partFiles(store).map(path => path.slice(join(store, 'parts').length).replaceAll('/', '')))

const partFile = (store: string, hash: string): string => {
  const found = partFiles(store).find(path => path.replaceAll('/', '').endsWith(hash))
  assert.ok(found, hash)
  return found!
}

/** A registry that has version 1. */
async function withFirst(): Promise<{
  server: RunningRegistry
  to: string
  reference: string
  digest: string
}> {
  const server = await startRegistry()
  const to = `${server.host}/site`
  const [{ reference, digest }] = composed(publisher(), ['push', 'lib/big-1', to]).modules
  return { server, to, reference, digest }
}

registry(
  'blobs hold the parts that their annotations name, and lead to the same module elsewhere',
  async () => {
    const { server, reference, digest, to } = await withFirst()
    const blobs = blobsIn(reference)
    assert.ok(
      several(blobs).length > 10,
      `${several(blobs).length} of ${blobs.length} blobs hold several parts`
    )
    for (const blob of blobs) {
      const bytes = readFileSync(server.fileOf(blob.digest))
      assert.equal([`sha256:${sha256(bytes)}`, bytes.length], [blob.digest, blob.size])
      let start = 0
      for (const part of blob.parts) {
        assert.is(sha256(bytes.subarray(start, start + part.bytes)), part.sha256)
        start += part.bytes
      }
      assert.is(start, blob.size)
    }
    const [second, other] = [newStore(), await startRegistry()]
    const pulled = composed(second, ['pull', reference])
    assert.equal([pulled.modules[0].digest, pulled.receivedBytes], [digest, sizeOf(blobs)])
    assert.is(compose(second, ['fsck']).status, 0)
    for (const { parts } of blobs) for (const part of parts) assert.ok(partNames(second).has(part.sha256))
    const pushed = composed(second, ['push', 'lib/big', `${other.host}/partner`])
    assert.is(pushed.modules[0].digest, digest)
    assert.ok(pushed.sentBytes >= sizeOf(blobs))
    for (const [store, place] of [
      [publisher(), to],
      [second, to],
      [second, `${other.host}/partner`]
    ]) {
      const again = composed(store, ['push', 'lib/big-1', place])
      assert.equal([again.sentBytes, again.modules[0].outcome, again.modules[0].digest], [0, 'same', digest])
    }
    const copy = `${other.host}/copies/lib/big:1`
    execFileSync('skopeo', ['copy', ...INSECURE, `docker://${reference}`, `docker://${copy}`])
    const third = newStore()
    assert.is(composed(third, ['pull', copy]).modules[0].digest, digest)
    assert.is(compose(third, ['fsck']).status, 0)
  }
)

registry(
  'a version with one other place sends a few blobs, and its new parts alone are fetched',
  async () => {
    const { server, to, reference } = await withFirst()
    const second = newStore()
    composed(second, ['pull', reference])
    const { sentBytes, modules } = composed(publisher(), ['push', 'lib/big-2', to])
    const [first, next] = [reference, modules[0].reference].map(blobsIn)
    const fresh = next.filter(({ digest }) => !first.some(other => other.digest === digest))
    assert.ok(fresh.length > 0 && fresh.length <= 3, `${fresh.length} of ${next.length} blobs are new`)
    assert.ok(sentBytes - sizeOf(fresh) < 100_000, `${sentBytes} bytes, of these ${sizeOf(fresh)} of data`)
    const known = new Set(first.flatMap(({ parts }) => parts.map(({ sha256 }) => sha256)))
    const newParts = fresh.flatMap(({ parts }) => parts).filter(({ sha256 }) => !known.has(sha256))
    const before = server.requests().length
    const { receivedBytes } = composed(second, ['pull', modules[0].reference])
    assert.is(receivedBytes, sum(newParts.map(({ bytes }) => bytes)))
    const asked = server
      .requests()
      .slice(before)
      .filter(line => line.includes('/blobs/'))
    const ofData = asked.filter(line => next.some(({ digest }) => line.includes(digest)))
    assert.ok(
      ofData.every(line => fresh.some(({ digest }) => line.includes(digest))),
      ofData.join('\n')
    )
    const inMiddle = fresh.filter(({ parts }) => {
      const there = parts.filter(({ sha256 }) => known.has(sha256)).length
      return there > 0 && there < parts.length
    })
    for (const { digest } of inMiddle)
      assert.ok(
        ofData.some(line => line.includes(digest) && line.endsWith(' 206')),
        ofData.join('\n')
      )
    assert.is(compose(second, ['fsck']).status, 0)
    // Without the former version every part comes.
    const third = newStore()
    assert.is(composed(third, ['pull', modules[0].reference]).receivedBytes, sizeOf(next))
  }
)

registry('blobs that a registry has lost are sent again, each alone', async () => {
  const { server, to, reference, digest } = await withFirst()
  const blobs = several(blobsIn(reference))
  for (const lost of [[blobs[0]], [blobs[1], blobs.at(-1)!]]) {
    for (const blob of lost) rmSync(server.fileOf(blob.digest))
    const { sentBytes, modules } = composed(publisher(), ['push', 'lib/big-1', to])
    assert.equal([sentBytes, modules[0].digest], [sizeOf(lost), digest])
    for (const blob of lost)
      assert.is(`sha256:${sha256(readFileSync(server.fileOf(blob.digest)))}`, blob.digest)
  }
  composed(newStore(), ['pull', reference])
})

registry('a lock brings the module to another site, and mounts its blobs', async () => {
  const { server, to, digest } = await withFirst()
  const [folder, second] = [scratch(), newStore()]
  const at = (name: string) => join(folder, name)
  composed(publisher(), ['lock', 'lib/big-1', '--bare', '-o', at('a.lock')])
  const options = { env: { XDG_CONFIG_HOME: at('config'), XDG_CACHE_HOME: at('cache') } }
  composed(publisher(), ['remote', 'add', 'site', to], options)
  const pushed = composed(publisher(), ['push', at('a.lock'), `${to}/stacks/a:1`, '--no-image'], options)
  assert.ok(pushed.sentBytes < 1_000_000, `${pushed.sentBytes} bytes were sent, and not mounted`)
  const other = await startRegistry()
  const elsewhere = `${other.host}/stacks/a:1`
  const [from, target] = [`docker://${server.host}/site/stacks/a:1`, `docker://${elsewhere}`]
  execFileSync('skopeo', ['copy', '--all', '--preserve-digests', ...INSECURE, from, target])
  const pulled = composed(second, ['pull', elsewhere, '--lock', at('b.lock')])
  assert.is(pulled.modules[0].digest, digest)
  assert.is(readFileSync(at('b.lock'), 'utf8'), readFileSync(at('a.lock'), 'utf8'))
  assert.is(compose(second, ['fsck']).status, 0)
  const again = composed(second, ['push', at('b.lock'), elsewhere, '--no-image'])
  assert.is(again.sentBytes, 0)
})

registry('archives hold the blobs of a registry, and give out what a store lacks', async () => {
  const { digest } = await withFirst()
  const folder = scratch()
  const archives = ['1', '2'].map(version => `oci-archive:${join(folder, `${version}.tar`)}`)
  const layout = `oci:${join(folder, 'layout')}`
  const pushed = archives.map((archive, i) => composed(publisher(), ['push', `lib/big-${i + 1}`, archive]))
  assert.is(pushed[0].modules[0].digest, digest)
  assert.is(composed(publisher(), ['push', 'lib/big-1', layout]).modules[0].digest, digest)
  const blobs = join(folder, 'layout/blobs/sha256')
  bash('cd "$1"; for file in *; do printf "%s  %s\\n" "$file" "$file"; done | sha256sum -c --quiet', blobs)
  for (const first of [archives[0], layout]) {
    const store = newStore()
    const whole = composed(store, ['pull', first]).receivedBytes
    const { receivedBytes } = composed(store, ['pull', archives[1]])
    assert.ok(receivedBytes > 0 && receivedBytes < whole / 5, `${receivedBytes} of ${whole}`)
    assert.is(compose(store, ['fsck']).status, 0)
  }
  // A byte of the first part in a blob of several is another one, in the file and in the folder.
  const [largest] = readdirSync(blobs)
    .map(name => ({ path: join(blobs, name), size: statSync(join(blobs, name)).size }))
    .sort((a, b) => b.size - a.size)
  const bytes = readFileSync(largest.path)
  const archive = join(folder, '1.tar')
  const tar = readFileSync(archive)
  tar[tar.indexOf(bytes.subarray(0, 4096)) + 1000] ^= 1
  writeFileSync(archive, tar)
  bytes[1000] ^= 1
  writeFileSync(largest.path, bytes)
  for (const from of [archives[0], layout]) {
    const store = newStore()
    const error = composeFails(store, ['pull', from], 63)
    assert.match(error.message, /part sha256:[0-9a-f]{64} hashes to sha256:/)
    assert.equal(refsOf(store), [])
  }
})

const start = (store: string, ...words: string[]): ChildProcess =>
  spawn(process.execPath, [COMPOSE, '-q', ...words], { env: environment(store), stdio: 'ignore' })

async function killedWhen(child: ChildProcess, isTime: () => boolean): Promise<void> {
  while (!isTime()) {
    assert.is(child.exitCode, null, 'it ended before')
    await wait(1)
  }
  child.kill('SIGKILL')
  await once(child, 'close')
}

registry('a pull that is killed in the middle goes on with the parts that it has not got', async () => {
  const { reference, digest } = await withFirst()
  const parts = blobsIn(reference).flatMap(({ parts }) => parts)
  const store = newStore()
  let left = sum(parts.map(({ bytes }) => bytes))
  for (const share of [0.2, 0.5, 0.8]) {
    await killedWhen(start(store, 'pull', reference), () => partFiles(store).length > parts.length * share)
    assert.equal(refsOf(store), [])
    const there = partNames(store)
    const now = sum(parts.filter(({ sha256 }) => !there.has(sha256)).map(({ bytes }) => bytes))
    assert.ok(now < left && now > 0)
    left = now
  }
  const pulled = composed(store, ['pull', reference])
  assert.equal([pulled.receivedBytes, pulled.modules[0].digest], [left, digest])
  assert.is(compose(store, ['fsck']).status, 0)
})

registry('a push that is killed in the middle sends again at most what each lane had begun', async () => {
  const server = await startRegistry()
  const words = ['push', 'lib/big-1', `${server.host}/site`, '--jobs', '2']
  const uploads = () =>
    server.requests().filter(line => /^PUT \S+\/blobs\/uploads\/.* 201$/.test(line)).length
  for (const some of [8, 16]) {
    await killedWhen(start(publisher(), ...words), () => uploads() >= some)
    const tags = ['inspect', '--raw', '--tls-verify=false', `docker://${server.host}/site/lib/big:1`]
    assert.throws(() => execFileSync('skopeo', tags, { stdio: 'ignore' }))
  }
  const [{ reference }] = composed(publisher(), words).modules
  const blobs = blobsIn(reference).length
  assert.ok(uploads() <= blobs + 3 + 2 * 2, `${uploads()} uploads of ${blobs} blobs`)
  composed(newStore(), ['pull', reference])
})

registry('a part that is damaged in the store is named, and nothing gets a tag', async () => {
  const { reference } = await withFirst()
  const { parts } = several(blobsIn(reference))[0]
  const store = newStore()
  composed(store, ['pull', reference])
  const path = partFile(store, parts[1].sha256)
  const server = await startRegistry()
  const sound = readFileSync(path)
  const damaged = Buffer.from(sound)
  damaged[sound.length >> 1] ^= 1
  const times = statSync(path)
  const notes = notesIn(store)
  assert.ok(notes.length > 0)
  const cases: [string, () => void][] = [
    ['newer', () => {}],
    ['with the times of before', () => utimesSync(path, times.atime, times.mtime)],
    [
      'with notes of the last year',
      () => {
        for (const note of notes) utimesSync(note, 1e9, 1e9)
      }
    ],
    [
      'without notes',
      () => {
        for (const note of notes) rmSync(note, { force: true })
      }
    ],
    ['shorter', () => writeFileSync(path, damaged.subarray(5000))],
    ['longer', () => appendFileSync(path, Buffer.alloc(5000))]
  ]
  bash('chmod u+w "$1"', path)
  for (const [what, change] of cases) {
    writeFileSync(path, damaged)
    change()
    for (const place of [server.host, `oci-archive:${join(scratch(), 'a.tar')}`]) {
      const error = composeFails(store, ['push', 'lib/big-1', place], OBJECT_CORRUPT)
      assert.is(error.code, 'OBJECT_CORRUPT', what)
      assert.ok(error.message.replaceAll('/', '').includes(parts[1].sha256), `${what}: ${error.message}`)
      if (place.startsWith('oci-archive:')) assert.not.ok(existsSync(place.slice('oci-archive:'.length)))
    }
    assert.equal(
      server.requests().filter(line => /^PUT \S+\/manifests\//.test(line)),
      [],
      what
    )
  }
  writeFileSync(path, sound)
  assert.is(composed(store, ['push', 'lib/big-1', server.host]).modules[0].outcome, 'created')
  // The registry has the manifest, so that nothing is hashed before the blob is sent that it has lost.
  const [lost] = several(blobsIn(`${server.host}/lib/big:1`))
  rmSync(server.fileOf(lost.digest))
  writeFileSync(path, damaged)
  const error = composeFails(store, ['push', 'lib/big-1', server.host], OBJECT_CORRUPT)
  assert.ok(error.message.replaceAll('/', '').includes(parts[1].sha256), error.message)
})

registry(
  'a part that rots on the disk within the month goes out, is refused by whoever pulls, and is mended',
  async () => {
    const { reference, digest } = await withFirst()
    const [, { sha256: hash }] = several(blobsIn(reference))[0].parts
    const [store, server] = [newStore(), await startRegistry()]
    composed(store, ['pull', reference])
    const path = partFile(store, hash)
    const sound = readFileSync(path)
    const before = identityOf(path)
    bash('chmod u+w "$1"', path)
    const damaged = Buffer.from(sound)
    damaged[sound.length >> 1] ^= 1
    writeFileSync(path, damaged)
    // A disk leaves the times as they are; here, the note gets the new ones.
    for (const note of notesIn(store))
      writeFileSync(note, readFileSync(note, 'latin1').replace(before, identityOf(path)))
    const [rotten] = composed(store, ['push', 'lib/big-1', server.host]).modules
    assert.is.not(rotten.digest, digest)
    const other = newStore()
    const error = composeFails(other, ['pull', rotten.reference], 63)
    assert.match(error.message, `part sha256:${hash} hashes to sha256:`)
    assert.match(error.hint!, '--replace')
    assert.equal(refsOf(other), [])
    assert.is.not(compose(store, ['fsck']).status, 0)
    writeFileSync(path, sound)
    const [mended] = composed(store, ['push', 'lib/big-1', server.host, '--replace']).modules
    assert.equal([mended.digest, mended.outcome], [digest, 'replaced'])
    assert.is(composed(other, ['pull', mended.reference]).modules[0].digest, digest)
  }
)

registry('a manifest that names a blob of other bytes as these parts is mended by --replace', async () => {
  const { server, to, reference, digest } = await withFirst()
  const api = `http://${server.host}/v2/site/lib/big`
  const [blob] = several(blobsIn(reference))
  const bytes = randomBytes(blob.size)
  const other = `sha256:${sha256(bytes)}`
  const { headers } = await fetch(`${api}/blobs/uploads/`, { method: 'POST' })
  const put = await fetch(`${headers.get('location')}&digest=${other}`, { method: 'PUT', body: bytes })
  assert.is(put.status, 201)
  const { mediaType, text, record } = await manifestAt(api)
  for (const tag of ['1', record])
    await fetch(`${api}/manifests/${tag}`, {
      method: 'PUT',
      headers: { 'content-type': mediaType },
      body: text.replace(blob.digest, other)
    })
  const store = newStore()
  const [first] = blob.parts
  const refused = composeFails(store, ['pull', reference], 63)
  assert.match(refused.message, `part sha256:${first.sha256} hashes to sha256:`)
  assert.match(refused.hint!, '--replace')
  // The registry has lost the blob, and does not take the parts for it.
  rmSync(server.fileOf(other))
  assert.match(composeFails(publisher(), ['push', 'lib/big-1', to], 63).message, `upload of blob ${other}`)
  const [mended] = composed(publisher(), ['push', 'lib/big-1', to, '--replace']).modules
  assert.is(mended.digest, digest)
  assert.is(composed(store, ['pull', reference]).modules[0].digest, digest)
})

async function manifestAt(api: string): Promise<{ mediaType: string; text: string; record: string }> {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const text = await (await fetch(`${api}/manifests/1`, { headers: { accept: mediaType } })).text()
  const { tags } = (await (await fetch(`${api}/tags/list`)).json()) as { tags: string[] }
  return { mediaType, text, record: tags.find(tag => tag !== '1')! }
}

registry('a registry of known types alone takes the plain form with such blobs', async () => {
  const real = await startRegistry()
  const project = 'group/project'
  const program = fileURLToPath(new URL('../helpers/gitlab-registry.js', import.meta.url))
  const child = spawn(process.execPath, [program, project, real.host], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  others.push(child)
  const port = await new Promise<number>(resolve => child.stdout.once('data', text => resolve(Number(text))))
  const to = `127.0.0.1:${port}/${project}`
  const [pushed] = composed(publisher(), ['push', 'lib/big-1', to]).modules
  const second = newStore()
  const pulled = composed(second, ['pull', pushed.reference]).modules[0]
  assert.equal([pulled.record, pulled.digest], [pushed.record, pushed.digest])
  for (const store of [publisher(), second]) {
    const again = composed(store, ['push', 'lib/big-1', to])
    assert.equal(
      [again.sentBytes, again.modules[0].outcome, again.modules[0].digest],
      [0, 'same', pushed.digest]
    )
  }
  const blobs = several(blobsIn(`${real.host}/${project}/lib/big:1`))
  assert.ok(blobs.length > 5)
  rmSync(real.fileOf(blobs[2].digest))
  const mended = composed(second, ['push', 'lib/big-1', to])
  assert.equal([mended.sentBytes, mended.modules[0].digest], [blobs[2].size, pushed.digest])
  assert.is(compose(second, ['fsck']).status, 0)
})

tests.run()
