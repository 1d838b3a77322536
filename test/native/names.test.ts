import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import * as native from '../../native/index.ts'
import { needing } from '../helpers/needs.ts'
import { scratch } from '../helpers/scratch.ts'
import { bySize } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR, O_CREAT, O_TMPFILE } = native.constants
const names = suite('native: names')

const open = (directory: string) => openSync(directory, O_RDONLY | O_DIRECTORY)
const stat = (format: string, path: string): string =>
  execFileSync('stat', ['-c', format, '--', path], { encoding: 'utf8' }).trim()

function failure(action: () => unknown): native.NativeError {
  try {
    action()
  } catch (error) {
    return error as native.NativeError
  }
  throw new Error('it did not fail')
}

names('openBeneath opens a path of several components', () => {
  const directory = scratch()
  mkdirSync(join(directory, 'a/b'), { recursive: true })
  writeFileSync(join(directory, 'a/b/c'), 'content')
  const top = open(directory)
  const fd = native.openBeneath(top, 'a/b/c', O_RDONLY)
  assert.is(readFileSync(fd, 'utf8'), 'content')
  closeSync(fd)
  closeSync(top)
})

/** Each leads out of the directory, or through a link. */
const ESCAPES: [path: string, code: string][] = [
  ['link/secret', 'ELOOP'],
  ['deep/link/secret', 'ELOOP'],
  ['tosecret', 'ELOOP'],
  ['inner/file', 'ELOOP'],
  ['../outside/secret', 'EXDEV'],
  ['deep/../../outside/secret', 'EXDEV'],
  ['deep/..', 'EXDEV'],
  ['/etc/passwd', 'EXDEV'],
  ['', 'ENOENT'],
  ['deep/none', 'ENOENT'],
  ['deep/file/x', 'ENOTDIR']
]

function escapeTree(): string {
  const directory = scratch()
  mkdirSync(join(directory, 'outside'))
  writeFileSync(join(directory, 'outside/secret'), 'secret')
  mkdirSync(join(directory, 'top/deep'), { recursive: true })
  writeFileSync(join(directory, 'top/deep/file'), 'file')
  symlinkSync('../outside', join(directory, 'top/link'))
  symlinkSync(join(directory, 'outside'), join(directory, 'top/deep/link'))
  symlinkSync('../outside/secret', join(directory, 'top/tosecret'))
  symlinkSync('deep', join(directory, 'top/inner'))
  return join(directory, 'top')
}

names('openBeneath never leaves the directory and follows no link', () => {
  const top = open(escapeTree())
  for (const [path, code] of ESCAPES)
    assert.is(failure(() => native.openBeneath(top, path, O_RDONLY)).code, code, path)
  assert.is(failure(() => native.openBeneath(top, 'link/new', O_CREAT | O_RDWR, 0o644)).code, 'ELOOP')
  closeSync(top)
})

names('openBeneath opens a link itself with O_PATH|O_NOFOLLOW, and only so', () => {
  const top = open(escapeTree())
  const fd = native.openBeneath(top, 'tosecret', O_PATH | O_NOFOLLOW)
  assert.is(native.readlinkAt(fd, ''), '../outside/secret')
  assert.is(failure(() => native.openBeneath(top, 'tosecret', O_PATH)).code, 'ELOOP')
  closeSync(fd)
})

needing(names, 'strace')('openBeneath is as strict on a kernel without openat2', () => {
  const script = `
    const native = await import(${JSON.stringify(new URL('../../native/index.js', import.meta.url).href)})
    const { openSync } = await import('node:fs')
    const top = openSync(${JSON.stringify(escapeTree())}, 'r')
    const answer = (path, flags) => { try { native.openBeneath(top, path, flags, 0o600); return 'opened' } catch (error) { return error.code } }
    const { O_RDONLY, O_PATH, O_NOFOLLOW, O_CREAT, O_WRONLY } = native.constants
    console.log(JSON.stringify([
      ...${JSON.stringify(ESCAPES.map(([path]) => path))}.map(path => answer(path, O_RDONLY)),
      answer('deep//file', O_RDONLY), answer('deep/', O_RDONLY), answer('deep/file/', O_RDONLY),
      answer('tosecret', O_PATH), answer('tosecret', O_PATH | O_NOFOLLOW), answer('deep/new', O_CREAT | O_WRONLY)]))`
  const run = (strace: string[]) =>
    JSON.parse(
      execFileSync(
        'strace',
        ['-f', '-qq', '-o', '/dev/null', ...strace, process.execPath, '--input-type=module', '-e', script],
        {
          encoding: 'utf8'
        }
      )
    )
  const expected = [
    ...ESCAPES.map(([, code]) => code),
    'opened',
    'opened',
    'ENOTDIR',
    'ELOOP',
    'opened',
    'opened'
  ]
  assert.equal(run(['-e', 'trace=openat2', '-e', 'inject=openat2:error=ENOSYS']), expected)
  assert.equal(run(['-e', 'trace=openat2']), expected)
})

names('every other call refuses names that lead elsewhere', () => {
  const top = open(escapeTree())
  for (const name of ['link/secret', '..', '/etc/passwd', 'deep/file']) {
    for (const action of [
      () => native.fstatAt(top, name),
      () => native.mkdirAt(top, name, 0o755),
      () => native.mknodAt(top, name, native.constants.S_IFIFO | 0o600),
      () => native.symlinkAt('x', top, name),
      () => native.linkAt(top, name, top, 'new'),
      () => native.linkAt(top, 'deep', top, name),
      () => native.unlinkAt(top, name),
      () => native.renameAt2(top, name, top, 'new'),
      () => native.renameAt2(top, 'deep', top, name),
      () => native.readlinkAt(top, name),
      () => native.utimensAt(top, name, 0, 0),
      () => native.chownAt(top, name, 1, 1),
      () => native.chmodAt(top, name, 0o777),
      () => native.listXattr(top, name),
      () => native.setXattr(top, name, 'user.x', Buffer.from('1'))
    ])
      assert.is(failure(action).code, 'EXDEV', `${action} ${name}`)
  }
  assert.is(readFileSync(join(escapeTree(), '../outside/secret'), 'utf8'), 'secret')
  closeSync(top)
})

names('names are exact bytes, as latin1 strings and as buffers', () => {
  const directory = scratch()
  const top = open(directory)
  const odd = 'caf\xe9\n\xff \\'
  native.mkdirAt(top, odd, 0o755)
  native.mkdirAt(top, Buffer.from('b\xfe', 'latin1'), 0o755)
  native.symlinkAt('to\xff\n', top, 'l')
  assert.equal(native.readDirAt(top).names.sort(), ['b\xfe', odd, 'l'].sort())
  assert.equal(
    execFileSync('find', [directory, '-mindepth', '1', '-printf', '%f\\0'])
      .toString('latin1')
      .split('\0')
      .sort(),
    ['', 'b\xfe', odd, 'l'].sort()
  )
  assert.is(native.readlinkAt(top, 'l'), 'to\xff\n')
  assert.equal(execFileSync('readlink', ['-n', join(directory, 'l')]).toString('latin1'), 'to\xff\n')
  assert.throws(() => native.mkdirAt(top, 'snow☃', 0o755), /0xff/)
  assert.is(failure(() => native.mkdirAt(top, 'a\0b', 0o755)).code, 'EINVAL')
  closeSync(top)
})

names('a failed call names the call, the errno and the path', () => {
  const top = open(scratch())
  const error = failure(() => native.unlinkAt(top, 'no\xff\n'))
  assert.is(error.code, 'ENOENT')
  assert.is(error.errno, -2)
  assert.is(error.syscall, 'unlinkat')
  assert.is(error.path, 'no\xff\n')
  assert.is(error.message, "ENOENT: No such file or directory, unlinkat 'no\\377\\012'")
  assert.throws(() => native.unlinkAt(-100, 'x'), RangeError)
  assert.throws(() => native.unlinkAt(undefined as unknown as number, 'x'), TypeError)
})

const NAMES = bySize(5000, 20_000)

names(`readDirAt lists ${NAMES} names, again when asked again, with their types`, () => {
  const directory = scratch()
  const top = open(directory)
  for (let i = 0; i < NAMES; i++) closeSync(native.openBeneath(top, `name-${i}`, O_CREAT | O_RDWR, 0o600))
  native.mkdirAt(top, 'directory', 0o700)
  for (let round = 0; round < 2; round++) {
    const { names, types } = native.readDirAt(top)
    assert.is(new Set(names).size, NAMES + 1)
    assert.is(types.length, NAMES + 1)
    assert.is(types[names.indexOf('directory')], native.constants.S_IFDIR >> 12)
    assert.is(types[names.indexOf('name-7')], native.constants.S_IFREG >> 12)
  }
  assert.equal(native.readDirAt(native.openBeneath(top, 'directory', O_RDONLY)).names, [])
})

names('renameAt2 with RENAME_NOREPLACE leaves an existing file', () => {
  const directory = scratch()
  writeFileSync(join(directory, 'a'), 'a')
  writeFileSync(join(directory, 'b'), 'b')
  const top = open(directory)
  assert.is(
    failure(() => native.renameAt2(top, 'a', top, 'b', native.constants.RENAME_NOREPLACE)).code,
    'EEXIST'
  )
  assert.is(readFileSync(join(directory, 'b'), 'utf8'), 'b')
  native.renameAt2(top, 'a', top, 'b', native.constants.RENAME_EXCHANGE)
  assert.is(readFileSync(join(directory, 'b'), 'utf8'), 'a')
  native.renameAt2(top, 'b', top, 'a')
  assert.equal(native.readDirAt(top).names, ['a'])
})

names('linkAt gives a name to an unnamed file and to a link, not to what the link points to', () => {
  const directory = scratch()
  const top = open(directory)
  const fd = native.openBeneath(top, '.', O_TMPFILE | O_RDWR, 0o600)
  writeSync(fd, 'unnamed')
  native.linkAt(fd, '', top, 'named')
  assert.is(readFileSync(join(directory, 'named'), 'utf8'), 'unnamed')
  native.symlinkAt('named', top, 'link')
  native.linkAt(top, 'link', top, 'link2')
  assert.is(stat('%F', join(directory, 'link2')), 'symbolic link')
  assert.is(failure(() => native.linkAt(fd, '', top, 'named')).code, 'EEXIST')
})

names('unlinkAt removes a file, a link itself, and with AT_REMOVEDIR a directory', () => {
  const directory = escapeTree()
  const top = open(directory)
  native.unlinkAt(top, 'tosecret')
  native.unlinkAt(top, 'link')
  assert.is(readFileSync(join(directory, '../outside/secret'), 'utf8'), 'secret')
  native.mkdirAt(top, 'empty', 0o755)
  assert.is(failure(() => native.unlinkAt(top, 'empty')).code, 'EISDIR')
  native.unlinkAt(top, 'empty', native.constants.AT_REMOVEDIR)
  assert.equal(native.readDirAt(top).names.sort(), ['deep', 'inner'])
})

names.run()
