/** Things that others may put into a shared store in the way of `compose gc`, and of commands that rely on a file. */

import { execFileSync } from 'node:child_process'
import { closeSync, constants, existsSync, openSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import { join, relative } from 'node:path'
import * as assert from 'uvu/assert'
import { claimPath, touchFiles } from '../../../store/files/touch.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import { collect } from '../../helpers/old-store.ts'
import type { Area, RejectCase } from '../case.ts'
import { type Tampered, tamperedStore } from '../tampered.ts'

const PATIENCE_MS = 10_000

/** Work that must not wait for the other end of a pipe. */
async function unhindered<T>(pipe: string, work: () => Promise<T>): Promise<T> {
  let isStuck = false
  let fd: number | undefined
  const timer = setTimeout(() => {
    isStuck = true
    fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK) // both ends: whoever waits goes on
  }, PATIENCE_MS)
  try {
    return await work()
  } finally {
    clearTimeout(timer)
    if (fd !== undefined) closeSync(fd)
    assert.not(isStuck, 'it waited for the other end of a pipe')
  }
}

const mkfifo = (path: string): void => void execFileSync('mkfifo', [path])

/** Makes a layer unneeded, with something else in the place of its claim. */
async function collectBeside(store: Tampered, put: (path: string) => void): Promise<void> {
  const { root, files } = store
  rmSync(join(root, 'refs'), { recursive: true })
  execFileSync('mkdir', [
    '-p',
    join(root, 'refs/modules'),
    join(root, 'refs/history'),
    join(root, 'refs/pins')
  ])
  execFileSync('find', [root, '-type', 'f', '-exec', 'touch', '-d', '2 days ago', '{}', '+'])
  const claim = join(root, claimPath(relative(root, files.layer)))
  put(claim)
  const opened = await openRepository({ store: root, path: '' })
  const { freed } = await unhindered(claim, () => collect(opened, { graceSeconds: 3600 }))
  assert.ok(freed.blobs.files > 0, 'nothing was collected')
}

const claimed = (name: string, put: (path: string, store: Tampered) => void): RejectCase => ({
  name,
  expect: 'confined',
  async attack(room) {
    const store = await tamperedStore(room)
    await collectBeside(store, path => put(path, store))
    assert.ok(existsSync(room.outside))
  }
})

/** A command that relies on a file checks that it exists. Anything else with its name is refused by the reader. */
const reliedUpon = (name: string, put: (path: string, store: Tampered) => void): RejectCase => ({
  name,
  expect: 'confined',
  async attack(room) {
    const store = await tamperedStore(room)
    const { root, files } = store
    unlinkSync(files.layer)
    put(files.layer, store)
    await openRepository({ store: root, path: '' })
    const path = relative(root, files.layer)
    assert.equal(await unhindered(files.layer, async () => touchFiles(root, [path])), [])
  }
})

export const collector: Area = {
  area: 'the collector',
  cases: [
    claimed('a pipe for a claim', mkfifo),
    claimed('a link to a canary for a claim', (path, { room }) =>
      symlinkSync(join(room.outside, 'canary'), path)
    ),
    reliedUpon('a pipe for a file that is relied upon', mkfifo),
    reliedUpon('a link to a canary for a file that is relied upon', (path, { room }) =>
      symlinkSync(join(room.outside, 'canary'), path)
    )
  ]
}
