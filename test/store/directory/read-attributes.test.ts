import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { setXattr } from '../../../native/index.ts'
import { reasonToSkip } from '../../../store/directory/read-attributes.ts'
import { DirectorySource } from '../../../store/directory/source.ts'
import type { StrataError } from '../../../store/errors.ts'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { readTree } from './trees.ts'

const attributes = suite('directory as a tar: attributes')

// As in a capability: a newline, and bytes that are not UTF-8.
const BINARY = Buffer.from('0100000a0020800a00ff00', 'hex')
const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex')

/** As getfattr tells them: path, name, value in hex. */
function told(directory: string): string[] {
  const dump = execFileSync('sh', ['-c', 'find . -print0 | xargs -0 getfattr -h -d -m - -e hex --'], {
    cwd: directory
  })
  return dump
    .toString('latin1')
    .split('\n\n')
    .filter(block => block !== '')
    .flatMap(block => {
      const [head, ...lines] = block.trim().split('\n')
      const path = head.replace(/^# file: (\.\/)?/, '').replace(/^\.$/, '')
      return lines.map(line => `${path} ${line}`)
    })
    .sort()
}

const shown = (read: Map<string, Map<string, Uint8Array>>): string[] =>
  [...read]
    .flatMap(([path, values]) =>
      [...values].map(([name, value]) => `${path} ${name}=0x${Buffer.from(value).toString('hex')}`)
    )
    .sort()

needing(
  attributes,
  'root',
  'getfattr',
  'setfacl'
)('are what getfattr shows, of files, directories and links', async () => {
  const directory = scratch()
  mkdirSync(join(directory, 'sub'))
  writeFileSync(join(directory, 'sub/file'), 'x')
  writeFileSync(join(directory, 'plain'), 'x')
  symlinkSync('sub/file', join(directory, 'link'))
  const top = openSync(directory, 'r')
  const sub = openSync(join(directory, 'sub'), 'r')
  execFileSync('setfacl', ['-m', 'u:4000000000:rx,g:77:---,d:u:5:rwx', directory, join(directory, 'sub')])
  execFileSync('setfacl', ['-m', 'u:12:r', join(directory, 'sub/file')])
  setXattr(top, '', 'user.top', Buffer.from('top'))
  setXattr(sub, 'file', 'user.binary', BINARY)
  setXattr(sub, 'file', 'user.caf\xc3\xa9', Buffer.alloc(3000, 1))
  setXattr(sub, 'file', 'security.capability', CAPABILITY)
  setXattr(top, 'link', 'trusted.link-of-ours', BINARY)
  const read = await readTree(directory)
  assert.is(told(directory).length, 10)
  assert.equal(shown(read.attributes), told(directory))
  assert.equal([...read.attributes.keys()], ['', 'link', 'sub', 'sub/file'])
  assert.not.match(read.bytes.toString('latin1'), /SCHILY/)
  assert.equal(read.skipped, [])
})

attributes('names are exact bytes, values may be empty', async () => {
  const directory = scratch()
  writeFileSync(join(directory, 'file'), 'x')
  const top = openSync(directory, 'r')
  setXattr(top, 'file', 'user.b\xff=\n', BINARY)
  setXattr(top, 'file', 'user.a', Buffer.alloc(0))
  const read = await readTree(directory)
  assert.equal(
    [...read.attributes.get('file')!],
    [
      ['user.a', Buffer.alloc(0)],
      ['user.b\xff=\n', BINARY]
    ]
  )
})

attributes('of several hard links the first path has them', async () => {
  const directory = scratch()
  writeFileSync(join(directory, 'b'), 'x')
  linkSync(join(directory, 'b'), join(directory, 'a'))
  setXattr(openSync(directory, 'r'), 'b', 'user.x', BINARY)
  assert.equal([...(await readTree(directory)).attributes.keys()], ['a'])
})

needing(attributes, 'root')('of Lustre are left out and reported, others of trusted. are kept', async () => {
  const directory = scratch()
  writeFileSync(join(directory, 'file'), 'x')
  const top = openSync(directory, 'r')
  setXattr(top, 'file', 'trusted.lov', BINARY)
  setXattr(top, 'file', 'trusted.lovely', BINARY)
  const read = await readTree(directory)
  assert.equal([...read.attributes.get('file')!.keys()], ['trusted.lovely'])
  assert.equal(read.skipped, [['file', 'attribute trusted.lov describes storage on a Lustre server']])
})

needing(
  attributes,
  'root',
  'mount',
  'mkfs.btrfs'
)('that belong to their file system are left out and reported', async () => {
  const image = join(scratch(), 'btrfs')
  writeFileSync(image, '')
  execFileSync('truncate', ['-s', '128M', image])
  execFileSync('mkfs.btrfs', ['-q', image])
  const directory = scratch()
  execFileSync('mount', ['-o', 'loop', image, directory])
  try {
    writeFileSync(join(directory, 'file'), 'x')
    setXattr(openSync(directory, 'r'), 'file', 'btrfs.compression', Buffer.from('zstd'))
    const read = await readTree(directory)
    assert.equal(read.attributes.size, 0)
    assert.equal(read.skipped, [['file', 'attribute btrfs.compression belongs to the file system it is on']])
  } finally {
    execFileSync('umount', ['-l', directory])
  }
})

attributes('that change who may do what and have no form in a layer are refused', () => {
  // No file system here has them; the names are those of NFSv4 mounts and of ext4 with the richacl patches.
  const source = new DirectorySource('/srv/app')
  for (const name of ['system.nfs4_acl', 'system.richacl', 'system.anything']) {
    assert.throws(
      () => reasonToSkip(name, 'bin/run', source),
      (error: StrataError) =>
        error.code === 'ATTRIBUTE_INVALID' &&
        error.message.includes(`bin/run in /srv/app has the attribute ${name}`)
    )
  }
  for (const name of ['system.posix_acl_access', 'system.posix_acl_default', 'security.selinux', 'user.x'])
    assert.is(reasonToSkip(name, 'bin/run', source), undefined)
  assert.match(reasonToSkip('lustre.lov', 'bin/run', source)!, 'lustre.lov')
})

attributes.run()
