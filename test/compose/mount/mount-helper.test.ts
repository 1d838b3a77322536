import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { environment } from '../../helpers/compose.ts'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { composed } from '../../helpers/warm-compose.ts'
import { smallBase } from '../runtime-files/small-base.ts'

/** mount.strata, called by mount(8) itself, with an fstab, in a mount namespace in which it is in /sbin. */
const helper = suite('mount.strata')

const HELPER = fileURLToPath(new URL('../../../../scripts/mount.strata', import.meta.url))

let made: { folder: string; store: string } | undefined

function world() {
  if (made !== undefined) return made
  const folder = scratch()
  const store = join(folder, 'store')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/small-1', smallBase()])
  composed(store, ['build', '--for', 'mounted', join(folder, 'image.sqfs'), 'base/small'])
  composed(store, [
    'lock',
    '--image',
    join(folder, 'image.sqfs'),
    '-o',
    join(folder, 'lock'),
    'base/small',
    '--for',
    'mounted'
  ])
  mkdirSync(join(folder, 'at'))
  mkdirSync(join(folder, 'sbin'))
  symlinkSync(HELPER, join(folder, 'sbin/mount.strata'))
  chmodSync(folder, 0o755)
  made = { folder, store }
  return made
}

/** A script beside the image, in a mount namespace of its own. */
function inNamespace(script: string) {
  const { folder, store } = world()
  const prepare =
    'mount -t overlay -o "lowerdir=$PWD/sbin:$(readlink -f /sbin)" overlay "$(readlink -f /sbin)"'
  return spawnSync('unshare', ['-m', 'sh', '-euc', `cd "$1"; ${prepare}; ${script}`, 'sh', folder], {
    env: environment(store),
    encoding: 'utf8'
  })
}

const NEEDS = ['root', 'unshare', 'mount', 'findmnt']

needing(helper, ...NEEDS)(
  'mount -t strata mounts an image, with the options of the format and those of others',
  () => {
    const { stdout, stderr, status } = inNamespace(
      `mount -t strata -o ro,noexec,lock=$PWD/lock,nofail,x-systemd.automount "$PWD/image.sqfs" at
    findmnt -n -o FSTYPE,SOURCE,OPTIONS "$PWD/at"; test -f at/.compose/lock; umount at; findmnt "$PWD/at" || echo gone`
    )
    assert.is(status, 0, stderr)
    assert.match(stdout, /^overlay +\S*image\.sqfs +ro,nosuid,nodev,noexec,/)
    assert.match(stdout, /gone\n$/)
  }
)

needing(helper, ...NEEDS)('a line of fstab is enough, and mount -a mounts once', () => {
  const { stdout, stderr, status } = inNamespace(
    `echo "$PWD/image.sqfs $PWD/at strata ro,lock=$PWD/lock 0 0" > fstab
    mount -T fstab -a; mount -T fstab -a; findmnt -n -o TARGET | grep -c "$PWD/at"`
  )
  assert.is(status, 0, stderr)
  assert.is(stdout, '1\n')
})

needing(helper, ...NEEDS)(
  'a fault ends with the status of a failed mount, and an unknown option is named',
  () => {
    const missing = inNamespace('mount -t strata "$PWD/none.sqfs" at')
    assert.is(missing.status, 32, missing.stderr)
    assert.match(missing.stderr, /none\.sqfs/)
    const option = inNamespace('mount -t strata -o frob "$PWD/image.sqfs" at')
    assert.is(option.status, 1)
    assert.match(option.stderr, /frob is not an option/)
  }
)

helper.run()
