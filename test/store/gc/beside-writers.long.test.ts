import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as assert from 'uvu/assert'
import { claimPath } from '../../../store/files/touch.ts'
import { unpublish } from '../../../store/import/unpublish-module.ts'
import { parseModuleName } from '../../../store/module/name.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { COMPOSE, environment } from '../../helpers/compose.ts'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { age, collect, isWhole, listing, tarballs } from '../../helpers/old-store.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize } from '../../helpers/size.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const beside = suite('gc: beside a writer')

/** A collector that waits at a system call, the `time`-th of its kind, before or after it. */
function slowGc(store: string, inject: string, log: string): ChildProcess {
  const call = inject.split(':')[0]
  return spawn(
    'strace',
    [
      ...[
        '-f',
        '-o',
        log,
        '-e',
        'trace=renameat,linkat,unlinkat',
        '-e',
        `inject=${call}:${inject.split(':').slice(1).join(':')}`
      ],
      ...[process.execPath, COMPOSE, 'gc', '--grace', '0s', '--older-than', '0s']
    ],
    { env: environment(store, { UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' }), stdio: 'ignore' }
  )
}

/** Until so many files were moved, by the log of system calls. */
async function moved(log: string, files: number): Promise<void> {
  const isDone = () => {
    const text = existsSync(log) ? readFileSync(log, 'utf8') : ''
    return (text.match(/renameat\([^\n]*= 0/g) ?? []).length >= files
  }
  for (let i = 0; !isDone(); i++) {
    assert.ok(i < 600, `${files} files were not moved within half a minute`)
    await setTimeout(50)
  }
}

/** A store with a module that was unpublished, and must not be needed any more. */
async function storeWithGarbage() {
  const store = await newStore()
  const [tar] = tarballs(1)
  await importInto(store, 'app/a-1', [tar])
  await unpublish(store, parseModuleName('app/a-1'))
  age(store.root, 2)
  return { store, tar }
}

// A collector first renames the note, and then index, record, layer and recipe.
let slowEnough = 0
let putBack = 0

for (const time of bySize([5], [2, 3, 4, 5]))
  needing(beside, 'strace')(
    `what an importer takes over while a collector is about to take it aside (rename ${time}) gets its name back`,
    async () => {
      const { store, tar } = await storeWithGarbage()
      const log = join(scratch(), 'log')
      const gc = slowGc(store.root, `renameat:delay_enter=2500000:when=${time}`, log)
      const end = once(gc, 'exit')
      await moved(log, time - 1)
      await setTimeout(200) // it has looked at the time of the next file, and is about to move it
      await importInto(store, 'app/a-1', [tar])
      if (gc.exitCode === null) slowEnough++
      assert.is((await end)[0], 0)
      await isWhole(store, 'app/a-1', tar)
      if (/linkat\(\d+, "removed![^"]*", \d+, "[^"]*", 0\) += 0/.test(readFileSync(log, 'utf8'))) putBack++
    }
  )

beside('these tests have seen names given back', () => {
  if (slowEnough === 4) assert.is(putBack, 4)
})

for (const time of bySize([4], [3, 4, 5]))
  needing(beside, 'strace')(
    `what an importer finds taken aside (rename ${time}) it writes anew`,
    async () => {
      const { store, tar } = await storeWithGarbage()
      const log = join(scratch(), 'log')
      const gc = slowGc(store.root, `renameat:delay_exit=1500000:when=${time}`, log)
      const end = once(gc, 'exit')
      await moved(log, time - 1)
      while (!readdirSync(join(store.root, 'tmp')).some(name => name.startsWith('removed!'))) {
        assert.is(gc.exitCode, null, 'the collector was too quick')
        await setTimeout(20)
      }
      await importInto(store, 'app/a-1', [tar])
      assert.is((await end)[0], 0)
      await isWhole(store, 'app/a-1', tar)
    }
  )

const touchModule = pathToFileURL(
  fileURLToPath(new URL('../../../store/files/touch.js', import.meta.url))
).href

/** A store that everybody writes to. @returns a file in it that is root's */
function openToEverybody({ root }: Repository): string {
  chmodSync(root, 0o777)
  chmodSync(join(root, 'tmp'), 0o1777)
  chmodSync(join(root, '..'), 0o755)
  chownSync(join(root, 'tmp'), 0, 0)
  const [blob] = listing(root).filter(line => line.startsWith('blobs/') && !line.includes('.recipe'))
  return blob.split(' ')[0]
}

atAllSize(needing(beside, 'root'))(
  'a claim whose name somebody gave to a pipe is refused, not waited for',
  async () => {
    const { store } = await storeWithGarbage()
    const path = openToEverybody(store)
    bash('mkfifo -m 666 "$1"', join(store.root, claimPath(path)))
    const script = `import(${JSON.stringify(touchModule)}).then(({ touchFiles }) =>
    touchFiles(process.argv[1], [process.argv[2]])).catch(error => console.log(error.code))`
    const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', script, store.root, path], {
      uid: 12345,
      gid: 12345,
      env: { PATH: process.env.PATH },
      timeout: 20_000
    })
    assert.is(status, 0, stderr.toString())
    assert.is(stdout.toString(), 'STORE_ACCESS\n')
  }
)

/** Claims a file as each of these users in turn. */
function claimBy(uids: number[], store: Repository, path: string): void {
  for (const uid of uids) {
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        '-e',
        `import(${JSON.stringify(touchModule)}).then(async ({ touchFiles }) => {
        const gone = await touchFiles(process.argv[1], [process.argv[2], process.argv[2] + 'x'])
        if (gone.length !== 1) throw new Error(gone.join())
      })`,
        store.root,
        path
      ],
      { uid, gid: uid, env: { PATH: process.env.PATH } }
    )
    assert.is(status, 0, stderr.toString())
  }
}

atAllSize(needing(beside, 'root'))('a publisher keeps a file of another user, by a claim', async () => {
  const { store } = await storeWithGarbage()
  const path = openToEverybody(store)
  const before = statSync(join(store.root, path)).mtimeMs
  claimBy([12345, 54321], store, path)
  assert.is(statSync(join(store.root, path)).mtimeMs, before)
  assert.is(statSync(join(store.root, claimPath(path))).uid, 12345)
  const options = { graceSeconds: 3600, olderThanSeconds: 3600 }
  assert.is((await collect(store, options)).young.files, 1)
  assert.ok(statSync(join(store.root, path)).isFile())
  bash('touch -d "2 days ago" "$1"', join(store.root, claimPath(path)))
  const { freed } = await collect(store, options)
  assert.equal([freed.blobs.files, freed.leftovers.files], [1, 1])
})

const PROTECTED = '/proc/sys/fs/protected_regular'

/** Sets the option for the whole machine, for a moment. @returns false if it cannot be set */
function setProtected(value: string): boolean {
  try {
    writeFileSync(PROTECTED, value)
    return true
  } catch {
    return false
  }
}

atAllSize(needing(beside, 'root'))(
  'a claim that another user made is renewed where the kernel guards files of sticky folders',
  async () => {
    const { store } = await storeWithGarbage()
    const path = openToEverybody(store)
    const before = readFileSync(PROTECTED, 'latin1')
    if (!setProtected('2')) return console.log(`skipped: ${PROTECTED} cannot be set here`)
    try {
      claimBy([12345, 54321], store, path)
    } finally {
      setProtected(before)
    }
    assert.is(statSync(join(store.root, claimPath(path))).uid, 12345)
  }
)

beside.run()
