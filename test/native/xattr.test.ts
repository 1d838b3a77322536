import { execFileSync } from 'node:child_process'
import { openSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import {
  constants,
  getXattr,
  listXattr,
  type NativeError,
  openBeneath,
  removeXattr,
  setXattr
} from '../../native/index.ts'
import { needing } from '../helpers/needs.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'

const { O_NOFOLLOW, O_PATH, O_RDONLY } = constants
const xattr = suite('native: extended attributes')

// 0x0a and bytes that are not UTF-8, as in a capability.
const BINARY = Buffer.from('0100000a0020800a00ff00', 'hex')

const getfattr = (path: string, ...options: string[]): string =>
  execFileSync('getfattr', ['--absolute-names', '-h', '-m', '-', '-e', 'hex', ...options, path]).toString(
    'latin1'
  )

const codeOf = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    return (error as NativeError).code
  }
  return 'no error'
}

function tree() {
  const directory = scratch()
  writeFileSync(join(directory, 'file'), 'content')
  symlinkSync('file', join(directory, 'link'))
  return { top: openSync(directory, 'r'), file: join(directory, 'file'), link: join(directory, 'link') }
}

needing(
  xattr,
  'getfattr',
  'setfattr'
)('values are exact bytes, by name, O_PATH and readable descriptors', () => {
  const { top, file } = tree()
  const path = openBeneath(top, 'file', O_PATH | O_NOFOLLOW)
  const readable = openBeneath(top, 'file', O_RDONLY)
  const ways: [number, string][] = [
    [top, 'file'],
    [path, ''],
    [readable, '']
  ]
  for (const [fd, name] of ways) {
    setXattr(fd, name, 'user.binary', BINARY)
    setXattr(fd, name, 'user.empty', Buffer.alloc(0))
    assert.match(getfattr(file, '-d'), `user.binary=0x${BINARY.toString('hex')}\n`)
    execFileSync('setfattr', ['-n', 'user.theirs', '-v', '0x00ff', file])
    for (const [otherFd, otherName] of ways) {
      assert.equal(listXattr(otherFd, otherName).sort(), ['user.binary', 'user.empty', 'user.theirs'])
      assert.equal(getXattr(otherFd, otherName, 'user.binary'), BINARY)
      assert.equal(getXattr(otherFd, otherName, 'user.empty'), Buffer.alloc(0))
      assert.equal(getXattr(otherFd, otherName, 'user.theirs'), Buffer.from([0, 255]))
    }
    for (const attribute of ['user.binary', 'user.empty', 'user.theirs']) removeXattr(fd, name, attribute)
    assert.is(getfattr(file), '')
    assert.equal(listXattr(fd, name), [])
    assert.is(
      codeOf(() => getXattr(fd, name, 'user.binary')),
      'ENODATA'
    )
    assert.is(
      codeOf(() => removeXattr(fd, name, 'user.binary')),
      'ENODATA'
    )
  }
})

needing(xattr, 'getfattr')('attribute names are bytes', () => {
  const { top, file } = tree()
  setXattr(top, 'file', 'user.n\xff\n=', Buffer.from('x'))
  assert.equal(listXattr(top, 'file'), ['user.n\xff\n='])
  assert.equal(getXattr(top, 'file', 'user.n\xff\n='), Buffer.from('x'))
  // getfattr shows the newline of a name as it is, so its value is asked for by a pattern.
  const options = ['--absolute-names', '--only-values', '-d', '-m', '^user.n']
  assert.is(execFileSync('getfattr', [...options, file], { encoding: 'utf8' }), 'x')
})

needing(
  xattr,
  'root',
  'getfattr'
)('a link has its own attributes, and those of its target are left alone', () => {
  const { top, file, link } = tree()
  setXattr(top, 'link', 'trusted.own', BINARY)
  assert.match(getfattr(link, '-d'), `trusted.own=0x${BINARY.toString('hex')}`)
  assert.is(getfattr(file), '')
  assert.equal(listXattr(top, 'link'), ['trusted.own'])
  const fd = openBeneath(top, 'link', O_PATH | O_NOFOLLOW)
  assert.equal(getXattr(fd, '', 'trusted.own'), BINARY)
  // The kernel gives user. attributes to files and directories only; through the link it would have worked.
  assert.is(
    codeOf(() => setXattr(fd, '', 'user.x', BINARY)),
    'EPERM'
  )
  removeXattr(fd, '', 'trusted.own')
  assert.equal(listXattr(fd, ''), [])
})

needing(
  xattr,
  'setfacl',
  'getfacl'
)('an ACL set as bytes is the one getfacl shows', () => {
  const { top, file } = tree()
  const acl = Buffer.alloc(4 + 5 * 8)
  acl.writeUInt32LE(2, 0)
  const entries = [
    [1, 6, 0xffffffff],
    [2, 4, 4_000_000_000],
    [4, 0, 0xffffffff],
    [16, 4, 0xffffffff],
    [32, 0, 0xffffffff]
  ]
  entries.forEach(([tag, permissions, id], index) => {
    acl.writeUInt16LE(tag, 4 + index * 8)
    acl.writeUInt16LE(permissions, 6 + index * 8)
    acl.writeUInt32LE(id, 8 + index * 8)
  })
  setXattr(top, 'file', 'system.posix_acl_access', acl)
  const shown = execFileSync('getfacl', ['-cnp', file], { encoding: 'utf8' }).trim()
  assert.is(shown, 'user::rw-\nuser:4000000000:r--\ngroup::---\nmask::r--\nother::---')
  assert.equal(getXattr(top, 'file', 'system.posix_acl_access'), acl)
})

xattr('XATTR_CREATE and XATTR_REPLACE are heeded', () => {
  const { top } = tree()
  assert.is(
    codeOf(() => setXattr(top, 'file', 'user.x', BINARY, constants.XATTR_REPLACE)),
    'ENODATA'
  )
  setXattr(top, 'file', 'user.x', BINARY, constants.XATTR_CREATE)
  assert.is(
    codeOf(() => setXattr(top, 'file', 'user.x', BINARY, constants.XATTR_CREATE)),
    'EEXIST'
  )
  assert.throws(() => setXattr(top, 'file', 'user.x', 'text' as unknown as Buffer), TypeError)
})

xattr.run()
