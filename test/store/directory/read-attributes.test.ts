import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { setXattr } from '../../../native/index.ts'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { readTree } from './trees.ts'

const attributes = suite('directory as a tar: attributes')

// Bytes as in a capability: a newline, and bytes that are not UTF-8.
const BINARY = Buffer.from('0100000a0020800a00ff00', 'hex')
const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex')

/** Attributes as getfattr prints them: path, name, value in hex. */
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

needing(attributes, 'root')(
  'of a file system are left out and counted, others of trusted. are kept',
  async () => {
    const directory = scratch()
    const names = ['a', 'b', 'c']
    for (const name of names) writeFileSync(join(directory, name), 'x')
    const top = openSync(directory, 'r')
    for (const name of names) setXattr(top, name, 'trusted.lov', BINARY)
    setXattr(top, 'a', 'trusted.lovely', BINARY)
    setXattr(top, 'a', 'trusted.SGI_ACL_FILE', BINARY)
    const read = await readTree(directory)
    assert.equal([...read.attributes.get('a')!.keys()], ['trusted.lovely'])
    assert.equal(read.leftOut, [
      { name: 'trusted.lov', reason: "where Lustre's servers keep the file", paths: 3, example: 'a' }
    ])
    assert.equal(read.skipped, [])
  }
)

attributes.run()
