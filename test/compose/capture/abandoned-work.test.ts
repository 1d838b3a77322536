import { spawn } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { holdFolder, removeAbandonedWork, workPrefix } from '../../../compose/capture/abandoned-work.ts'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

/** What dead commands left behind is removed, and nothing else (spec/capture.md#end). */

const abandoned = suite('capture: what killed commands leave')

/** As a dead command leaves it. @param end six letters, or another name */
function leftIn(parent: string, end: string, name = `${workPrefix()}${end}`): string {
  const folder = join(parent, name)
  mkdirSync(join(folder, 'tree/shut'), { recursive: true, mode: 0o700 })
  writeFileSync(join(folder, 'tree/shut/file'), '')
  chmodSync(join(folder, 'tree/shut'), 0)
  return folder
}

const folderOf = (mode: number): string => {
  const parent = scratch()
  chmodSync(parent, mode)
  return parent
}

abandoned('is removed, also with folders that their user may not enter', () => {
  for (const mode of [0o700, 0o755, 0o1777]) {
    const parent = folderOf(mode)
    leftIn(parent, 'aaaaaa')
    leftIn(parent, 'bbbbbb')
    removeAbandonedWork(parent)
    assert.equal(readdirSync(parent), [])
  }
})

abandoned('stays while its command runs and where a tree is kept, and goes when it was killed', async () => {
  const parent = folderOf(0o755)
  const folders = ['helded', 'kepted', 'killed'].map(end => leftIn(parent, end))
  const [held, kept, killed] = folders
  const { end } = holdFolder(held)
  holdFolder(kept).keep()
  const holder = spawn('flock', ['--no-fork', killed, 'sh', '-c', 'echo; exec sleep 1000'])
  await new Promise(resolve => holder.stdout.once('data', resolve))
  removeAbandonedWork(parent)
  assert.equal(folders.map(existsSync), [true, true, true])
  const ended = new Promise(resolve => holder.once('exit', resolve))
  holder.kill('SIGKILL')
  await ended
  removeAbandonedWork(parent)
  assert.equal(folders.map(existsSync), [true, true, false])
  end()
  removeAbandonedWork(parent)
  assert.equal(folders.map(existsSync), [false, true, false])
})

abandoned(
  'is never a link, what others can enter, what a user named, or where others can exchange it',
  () => {
    const parent = folderOf(0o755)
    const elsewhere = leftIn(folderOf(0o755), 'aaaaaa')
    symlinkSync(elsewhere, join(parent, `${workPrefix()}linked`))
    chmodSync(leftIn(parent, 'opened'), 0o755)
    leftIn(parent, '', 'compose-capture-backup')
    leftIn(parent, '', 'compose-build-1-abcdef')
    mkdirSync(join(parent, `${workPrefix()}empty1`), { mode: 0o700 }) // as it is before its lock
    const before = readdirSync(parent)
    removeAbandonedWork(parent)
    assert.equal(readdirSync(parent), before)
    assert.ok(existsSync(join(elsewhere, 'tree')))
    const shared = folderOf(0o777)
    leftIn(shared, 'aaaaaa')
    removeAbandonedWork(shared)
    assert.is(readdirSync(shared).length, 1)
    removeAbandonedWork(join(parent, 'none'))
  }
)

needing(abandoned, 'root')('of another user stays, also for root, and links in it lead nowhere', () => {
  const parent = folderOf(0o1777)
  const [own, other, planted] = ['ownown', 'others', 'plants'].map(end => leftIn(parent, end))
  chownSync(other, 1000, 1000)
  const target = leftIn(folderOf(0o755), 'target')
  symlinkSync(target, join(planted, 'linked'))
  removeAbandonedWork(parent)
  assert.equal([own, other, planted, target].map(existsSync), [false, true, false, true])
})

abandoned.run()
