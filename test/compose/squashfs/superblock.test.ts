import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { decodeSuperblock, encodeSuperblock } from '../../../compose/squashfs/superblock.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { buildImage } from '../helpers/compile.ts'
import { layer } from '../helpers/tar-layer.ts'

const superblock = suite('SquashFS superblock')

const FILE_BYTES = 8192

function exampleOfSpec(): Buffer {
  const spec = readFileSync(new URL('../../../../spec/squashfs.md', import.meta.url), 'utf8')
  const [, hex] = /```hex\n([^`]*)```/.exec(spec)!
  return Buffer.from(hex.replace(/#.*$/gm, '').replace(/\s/g, ''), 'hex')
}

superblock('the example of the specification is what a link writes, and decodes to itself', async () => {
  const bytes = exampleOfSpec()
  assert.equal(encodeSuperblock(decodeSuperblock(bytes, FILE_BYTES)), bytes)
  const target = join(scratch(), 'image')
  await buildImage([await layer(['./', { mtime: 1 }], ['a=hi', { mtime: 2 }])], target)
  assert.equal(readFileSync(target).subarray(0, 96), bytes)
})

const WRONG: [what: string, offset: number, bytes: number[], message: RegExp][] = [
  ['magic', 0, [0], /no "hsqs" at byte 0/],
  ['version', 28, [3], /version 3\.0 at byte 28, wanted 4\.0/],
  ['block size', 12, [1], /block size 131073 at byte 12/],
  ['bytes in use', 42, [1], /bytes in use at byte 40, but the file has 8192/],
  ['id table', 48, [0, 0], /id table at 0 \(byte 48\) lies outside/],
  [
    'inode table behind directory table',
    64,
    [0x90],
    /inode table at 4240 lies behind the directory table at 4164/
  ],
  ['no inodes', 4, [0], /no inodes \(byte 4\)/]
]

for (const [what, offset, changed, message] of WRONG)
  superblock(`a wrong ${what} is refused by name and byte`, () => {
    const bytes = exampleOfSpec()
    Buffer.from(changed).copy(bytes, offset)
    assert.throws(() => decodeSuperblock(bytes, FILE_BYTES), message)
  })

superblock.run()
