import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { withGcLock } from '../../../store/gc/gc-lock.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const lock = suite('gc: lock')

const lockPath = (root: string) => join(root, 'tmp/gc.lock')

lock('keeps a second collector out while the first one is at work, and is gone after', async () => {
  const { root } = await newStore()
  await withGcLock(root, async () => {
    const error = await refusedLater(
      withGcLock(root, async () => {}),
      'STORE_BUSY',
      /working in this store/
    )
    assert.is(error.facts.process, process.pid)
  })
  assert.equal(readdirSync(join(root, 'tmp')), [])
  await refusalOfWork(root)
  assert.equal(readdirSync(join(root, 'tmp')), [], 'after an error as well')
})

const refusalOfWork = (root: string) =>
  withGcLock(root, async () => {
    throw new Error('work failed')
  }).then(assert.unreachable, () => {})

/** The lock as a collector leaves it that is killed. */
async function leftLock(root: string, change: object): Promise<void> {
  let text = ''
  await withGcLock(root, async () => {
    text = readFileSync(lockPath(root), 'utf8')
  })
  writeFileSync(lockPath(root), JSON.stringify({ ...JSON.parse(text), ...change }))
}

lock('is taken over at once from a process that has ended', async () => {
  const { root } = await newStore()
  const { pid } = spawnSync('true')
  await leftLock(root, { pid })
  await withGcLock(root, async () =>
    assert.is(JSON.parse(readFileSync(lockPath(root), 'utf8')).pid, process.pid)
  )
  await leftLock(root, { started: '1' }) // our process id, but of another process
  await withGcLock(root, async () => {})
  assert.not.ok(existsSync(lockPath(root)))
})

lock(
  'of another host, or of before a boot, is taken over when it was not renewed for ten minutes',
  async () => {
    const { root } = await newStore()
    for (const change of [{ boot: 'another' }, { namespace: 'pid:[1]' }]) {
      await leftLock(root, change)
      await refusedLater(
        withGcLock(root, async () => {}),
        'STORE_BUSY',
        /./
      )
      const old = Date.now() / 1000 - 601
      utimesSync(lockPath(root), old, old)
      await withGcLock(root, async () => {})
      assert.not.ok(existsSync(lockPath(root)))
    }
  }
)

lock('that holds junk is that of another host', async () => {
  const { root } = await newStore()
  writeFileSync(lockPath(root), 'junk')
  await refusedLater(
    withGcLock(root, async () => {}),
    'STORE_BUSY',
    /./
  )
})

lock.run()
