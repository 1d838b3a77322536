import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, linkSync, openSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import * as native from '../../native/index.ts'
import { needing } from '../helpers/needs.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'

const { O_NOFOLLOW, O_PATH, S_IFBLK, S_IFCHR, S_IFIFO } = native.constants
const metadata = suite('native: metadata')

const stat = (format: string, path: string): string =>
  execFileSync('stat', ['-c', format, '--', path], { encoding: 'utf8' }).trim()

const codeOf = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    return (error as native.NativeError).code
  }
  return 'no error'
}

function tree() {
  const directory = scratch()
  writeFileSync(join(directory, 'file'), 'content')
  linkSync(join(directory, 'file'), join(directory, 'second'))
  symlinkSync('file', join(directory, 'link'))
  return { directory, top: openSync(directory, 'r'), at: (name: string) => join(directory, name) }
}

metadata('fstatAt returns what stat(1) prints, for files, links and descriptors', () => {
  const { top, at } = tree()
  for (const name of ['file', 'link']) {
    const fd = native.openBeneath(top, name, O_PATH | O_NOFOLLOW)
    for (const found of [native.fstatAt(top, name), native.fstatAt(fd)]) {
      const time = (seconds: number, nanoseconds: number) => `${seconds}.${`${nanoseconds}`.padStart(9, '0')}`
      const shown = [
        found.mode.toString(16),
        found.uid,
        found.gid,
        found.size,
        found.nlink,
        found.ino,
        found.dev,
        found.blocks,
        time(found.mtimeSeconds, found.mtimeNanoseconds),
        time(found.ctimeSeconds, found.ctimeNanoseconds)
      ].join(' ')
      assert.is(shown, stat('%f %u %g %s %h %i %d %b %.9Y %.9Z', at(name)), name)
    }
    closeSync(fd)
  }
})

metadata('utimensAt keeps nanoseconds and times before 1970, of a link its own', () => {
  const { top, at } = tree()
  const fileTime = stat('%.9Y', at('file'))
  native.utimensAt(top, 'link', 1_234_567_890, 123_456_789)
  assert.is(stat('%.9Y', at('link')), '1234567890.123456789')
  assert.is(stat('%.9Y', at('file')), fileTime)
  const accessed = stat('%.9X', at('file'))
  native.utimensAt(top, 'file', -2, 500_000_000)
  const { mtimeSeconds, mtimeNanoseconds } = native.fstatAt(top, 'file')
  assert.equal([mtimeSeconds, mtimeNanoseconds], [-2, 500_000_000])
  assert.is(execFileSync('find', [at('file'), '-printf', '%TY'], { encoding: 'utf8' }), '1969')
  assert.is(stat('%.9X', at('file')), accessed)
  for (const flags of [O_PATH | O_NOFOLLOW, O_NOFOLLOW]) {
    const fd = native.openBeneath(top, 'file', flags)
    native.utimensAt(fd, '', 77 + flags, 1)
    assert.is(stat('%.9Y', at('file')), `${77 + flags}.000000001`)
  }
  const link = native.openBeneath(top, 'link', O_PATH | O_NOFOLLOW)
  native.utimensAt(link, '', 5, 6)
  assert.is(stat('%.9Y', at('link')), '5.000000006')
})

metadata('chmodAt sets special bits by name and by descriptor, and refuses links', () => {
  const { top, at } = tree()
  native.chmodAt(top, 'file', 0o4751)
  assert.is(stat('%a', at('file')), '4751')
  const fd = native.openBeneath(top, 'file', O_PATH | O_NOFOLLOW)
  native.chmodAt(fd, '', 0o640)
  assert.is(stat('%a', at('file')), '640')
  const link = native.openBeneath(top, 'link', O_PATH | O_NOFOLLOW)
  assert.is(
    codeOf(() => native.chmodAt(top, 'link', 0o777)),
    'EOPNOTSUPP'
  )
  assert.is(
    codeOf(() => native.chmodAt(link, '', 0o777)),
    'EOPNOTSUPP'
  )
  assert.is(stat('%a', at('file')), '640')
})

metadata('mkdirAt is cut by the umask, chmodAt is not', () => {
  const { top, at } = tree()
  const umask = process.umask(0o077)
  try {
    native.mkdirAt(top, 'made', 0o2775)
    assert.is(stat('%a', at('made')).slice(-3), '700')
    native.chmodAt(top, 'made', 0o2775)
    assert.is(stat('%a', at('made')), '2775')
  } finally {
    process.umask(umask)
  }
})

needing(metadata, 'root')(
  'chownAt changes a link, not the file behind it, and takes ids up to 2^32-2',
  () => {
    const { top, at } = tree()
    native.chownAt(top, 'link', 4_294_967_294, 2_147_483_653)
    assert.is(stat('%u:%g', at('link')), '4294967294:2147483653')
    assert.is(stat('%u:%g', at('file')), '0:0')
    const fd = native.openBeneath(top, 'file', O_PATH | O_NOFOLLOW)
    native.chownAt(fd, '', 1, 2)
    assert.is(stat('%u:%g', at('file')), '1:2')
    assert.throws(() => native.chownAt(top, 'file', 4_294_967_295, 0), RangeError)
  }
)

needing(metadata, 'root')('mknodAt makes devices with their numbers', () => {
  const { top, at } = tree()
  native.mknodAt(top, 'block', S_IFBLK | 0o640, 259, 1_048_575)
  native.mknodAt(top, 'character', S_IFCHR | 0o600, 4095, 3)
  assert.is(stat('%F %Hr:%Lr %a', at('block')), 'block special file 259:1048575 640')
  assert.is(stat('%F %Hr:%Lr', at('character')), 'character special file 4095:3')
  const { rdevMajor, rdevMinor } = native.fstatAt(top, 'block')
  assert.equal([rdevMajor, rdevMinor], [259, 1_048_575])
})

metadata('mknodAt makes a FIFO without privilege', () => {
  const { top, at } = tree()
  native.mknodAt(top, 'fifo', S_IFIFO | 0o600)
  assert.is(stat('%F', at('fifo')), 'fifo')
})

needing(
  metadata,
  'root',
  'setpriv'
)('an ordinary user gets EACCES and EPERM, not silence', () => {
  const { directory, at } = tree()
  chmodSync(at('file'), 0o600)
  chmodSync(directory, 0o755)
  const script = `
    const native = await import(${JSON.stringify(new URL('../../native/index.js', import.meta.url).href)})
    const top = (await import('node:fs')).openSync(${JSON.stringify(directory)}, 'r')
    const code = action => { try { action() } catch (error) { return error.code } }
    console.log([() => native.openBeneath(top, 'file', 0), () => native.chownAt(top, 'file', 65534, 65534),
      () => native.chmodAt(top, 'file', 0o777), () => native.mkdirAt(top, 'x', 0o755)].map(code).join(' '))`
  const user = [
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    process.execPath,
    '--input-type=module',
    '-e',
    script
  ]
  assert.is(execFileSync('setpriv', user, { encoding: 'utf8' }).trim(), 'EACCES EPERM EPERM EACCES')
})

metadata.run()
