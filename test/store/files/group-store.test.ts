import { chownSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { checkGroupFolders, makeGroupFolders } from '../../../store/files/group-store.ts'
import { whileExchanging } from '../../helpers/exchanging.ts'
import { needing } from '../../helpers/needs.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { QUICK } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const group = suite('folders of a group')
const asRoot = needing(group, 'root')

const GID = 61000
const MEMBER = 61012

async function storeWithVictim(): Promise<{ root: string; victim: string }> {
  const [root, victim] = [join(scratch(), 'store'), join(scratch(), 'victim')]
  await makeGroupFolders(root, GID, QUICK)
  mkdirSync(victim, 0o700)
  return { root, victim }
}

const isUntouched = (victim: string): void => {
  const { mode, gid } = statSync(victim)
  assert.equal([mode & 0o7777, gid], [0o700, 0])
}

asRoot('a link or a file in the place of a folder is reported, and not repaired', async () => {
  const { root, victim } = await storeWithVictim()
  symlinkSync(victim, join(root, 'objects/zstd-9-128k-2'))
  rmSync(join(root, 'blobs/sha256/00'), { recursive: true })
  symlinkSync(victim, join(root, 'blobs/sha256/00'))
  rmSync(join(root, 'oci'), { recursive: true })
  writeFileSync(join(root, 'oci'), '')
  const faults = await checkGroupFolders(root, GID, { repair: true })
  assert.equal(
    faults.map(({ path, repaired }) => [path, repaired]),
    ['blobs/sha256/00', 'objects/zstd-9-128k-2', 'oci'].map(name => [name, false])
  )
  for (const { message } of faults) assert.match(message, /is not a folder/)
  isUntouched(victim)
})

asRoot('a folder that a member exchanges with a link all the time leads nowhere else', async () => {
  const { root, victim } = await storeWithVictim()
  const folder = join(root, 'refs/modules')
  mkdirSync(join(folder, 'app'))
  chownSync(join(folder, 'app'), MEMBER, MEMBER)
  symlinkSync(victim, join(folder, 'link'))
  await whileExchanging(folder, ['app', 'link'], async () => {
    for (let round = 0; round < 60; round++) {
      await checkGroupFolders(root, GID, { repair: true })
      isUntouched(victim)
    }
  })
})

asRoot('init does not give the target of a link to the group', async () => {
  const { root, victim } = await storeWithVictim()
  for (const folder of ['data/zstd-1-128k-2', 'refs/modules']) {
    renameSync(join(root, folder), join(root, `${folder}.gone`))
    symlinkSync(victim, join(root, folder))
    await refusedLater(makeGroupFolders(root, GID, QUICK), 'STORE_FOLDER', /is a symbolic link/)
    rmSync(join(root, folder))
  }
  isUntouched(victim)
})

group.run()
