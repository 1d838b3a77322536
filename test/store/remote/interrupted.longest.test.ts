/** Pushes and pulls that are killed, and pulls while `compose gc` cleans the same store. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import type { Repository } from '../../../store/repository/repository.ts'
import { COMPOSE, environment } from '../../helpers/compose.ts'
import { type ModuleServer, moduleServers } from '../../helpers/module-server.ts'
import { needing } from '../../helpers/needs.ts'
import { startRegistry, stopRegistries } from '../../helpers/registry.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const tests = suite('remote: transfers that are interrupted')
const registry = needing(tests, 'docker-registry')
const serve = moduleServers(tests)
tests.after(stopRegistries)

/** A store with a module of some twelve parts or more. */
async function storeWithModule(): Promise<{ store: Repository; record: CID }> {
  const tree = join(scratch(), 'tree')
  mkdirSync(tree)
  for (let i = 0; i < 40; i++) writeFileSync(join(tree, `file${i}`), randomBytes(1 << 20))
  const store = await newStore()
  return { store, record: (await importInto(store, 'lib/tool-1', [tree])).record }
}

async function newServer(): Promise<ModuleServer> {
  const { store, record } = await storeWithModule()
  return serve(store, record)
}

const start = (store: string, ...args: string[]): ChildProcess =>
  spawn(process.execPath, [COMPOSE, '-q', ...args], {
    env: environment(store),
    stdio: ['ignore', 'ignore', 'inherit']
  })

async function succeeds(child: ChildProcess): Promise<void> {
  const [status] = await once(child, 'close')
  assert.is(status, 0)
}

const pullOf = (server: ModuleServer): [string, string] => ['pull', `${server.host}/lib/tool:1`]

tests('a pull that was killed goes on, and fetches no part again that was whole', async () => {
  const server = await newServer()
  const parts = new Set(server.of('data').map(({ digest }) => digest))
  assert.ok(parts.size > 8, `${parts.size} parts`)
  const { root } = await newStore()
  for (const last of [2, 3]) {
    const whole: string[] = []
    server.asked.length = 0
    let stuck = () => {}
    const isStuck = new Promise<void>(resolve => {
      stuck = resolve
    })
    // The parts after some come by half, and the rest never.
    server.meddle = ({ url = '' }, response) => {
      const digest = url.slice(url.lastIndexOf('/') + 1)
      if (!parts.has(digest)) return false
      if (whole.length < last) {
        whole.push(digest)
        return false
      }
      const bytes = server.blobs.get(digest)!
      response.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, bytes.length >> 1))
      stuck()
      return true
    }
    const child = start(root, ...pullOf(server))
    await isStuck
    // Those that were sent whole get their names.
    await wait(1500)
    child.kill('SIGKILL')
    await once(child, 'close')
    for (const digest of whole) parts.delete(digest)
  }
  server.asked.length = 0
  server.meddle = () => false
  await succeeds(start(root, ...pullOf(server)))
  const all = server.of('data').map(({ digest }) => digest)
  assert.equal(server.asked.filter(digest => all.includes(digest)).sort(), [...parts].sort())
  await succeeds(start(root, 'fsck'))
})

registry('a push that was killed goes on, and sends again at most what each lane had begun', async () => {
  const { store } = await storeWithModule()
  const server = await startRegistry()
  const uploads = () =>
    server.requests().filter(line => /^PUT \S+\/blobs\/uploads\/.* 201$/.test(line)).length
  const pushOf = (host: string): string[] => ['push', 'lib/tool', `${host}/site`, '--jobs', '2']
  const child = start(store.root, ...pushOf(server.host))
  while (uploads() < 10) await wait(1)
  child.kill('SIGKILL')
  await once(child, 'close')
  await succeeds(start(store.root, ...pushOf(server.host)))
  const other = await startRegistry()
  await succeeds(start(store.root, ...pushOf(other.host)))
  const all = other.requests().filter(line => /^PUT \S+\/blobs\/uploads\//.test(line)).length
  assert.ok(all > 12, `${all} blobs`)
  assert.ok(uploads() <= all + 2, `${uploads()} uploads of ${all} blobs`)
})

tests('compose gc beside a pull takes away nothing that the pull needs', async () => {
  const server = await newServer()
  const { root } = await newStore()
  server.meddle = (_request, response) => {
    const end = response.end.bind(response)
    response.end = ((...words: Parameters<typeof end>) =>
      setTimeout(() => end(...words), 150)) as unknown as typeof end
    return false
  }
  let isOver = false
  const pull = succeeds(start(root, ...pullOf(server))).finally(() => {
    isOver = true
  })
  let rounds = 0
  for (; !isOver; rounds++) await succeeds(start(root, 'gc'))
  await pull
  assert.ok(rounds > 1, `${rounds} rounds`)
  await succeeds(start(root, 'fsck'))
  await succeeds(start(root, 'build', join(scratch(), 'x.sqfs'), 'lib/tool', '--bare'))
})

tests.run()
