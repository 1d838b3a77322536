import * as assert from 'uvu/assert'
import { NONE } from '../../../store/object/layer-index.ts'
import { LayerTree } from '../../../store/object/layer-tree.ts'
import { Oddities } from '../../../store/tar/oddities.ts'
import { cutPaxRecords } from '../../../store/tar/pax.ts'
import { applyRecords } from '../../../store/tar/pax-fields.ts'
import type { Random } from '../../compose/helpers/random-layer.ts'
import { archive, checksumField, file, GNU, globalPax, header, pax, record } from '../../helpers/tar-make.ts'
import { readTar } from '../../helpers/tar-read.ts'
import {
  described,
  device,
  directory,
  hardlink,
  longLink,
  longName,
  oldSparse,
  sparse01,
  sparse10,
  symlink,
  tar
} from '../../reject/make.ts'
import type { FuzzTarget } from '../target.ts'
import { pick } from './bytes.ts'

const LIMITS = { totalBytes: 2 ** 40, paxBytes: 1 << 16, entries: 10_000 }
const FIELDS = [
  [0, 100],
  [100, 8],
  [108, 8],
  [116, 8],
  [124, 12],
  [136, 12],
  [156, 1],
  [157, 100],
  [257, 8],
  [329, 8],
  [337, 8],
  [345, 155],
  [386, 100]
] as const
const TYPES = '01234567gxLKSDVMNA\0\x7f'
const NAMES = [
  'a',
  'd/',
  'd/x',
  '../x',
  '/x',
  '.wh.a',
  '.wh..wh..opq',
  'd',
  'l',
  'l/x',
  '',
  '.',
  './',
  'n'.repeat(99)
]
const VALUES = [
  '00000000000\0',
  '77777777777\0',
  '\x80\0\0\0\0\0\0\0\0\0\x02\0',
  '\xff'.repeat(12),
  '           \0',
  '00000001000\0'
]

/** One field of one header gets another value, and the checksum is made right again. */
function mutateHeader(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes)
  const blocks = Math.floor(copy.length / 512)
  if (blocks === 0) return copy
  const block = copy.subarray(512 * random(blocks)).subarray(0, 512)
  const [at, width] = pick(random, FIELDS)
  if (at === 156) block.write(pick(random, [...TYPES]), at, 'latin1')
  else if (width >= 99) {
    block.fill(0, at, at + width)
    block.write(pick(random, NAMES), at, width, 'latin1')
  } else if (random(3) === 0) for (let i = 0; i < width; i++) block[at + i] = random(256)
  else block.write(pick(random, VALUES).slice(-width), at, 'latin1')
  block.write(checksumField(block), 148, 'latin1')
  return copy
}

const moveBlocks = (bytes: Buffer, random: Random): Buffer => {
  const blocks = Math.floor(bytes.length / 512)
  const [from, to] = [512 * random(blocks + 1), 512 * random(blocks + 1)]
  const piece = bytes.subarray(from, from + 512 * (1 + random(3)))
  return Buffer.concat([bytes.subarray(0, to), piece, bytes.subarray(to)])
}

const seeds = (): Buffer[] => [
  tar(
    directory('d/'),
    'd/x',
    symlink('l', 'd'),
    hardlink('h', 'd/x'),
    device('c', '3', 1, 3),
    header({ name: 'p', type: '6' })
  ),
  tar(
    described({
      path: 'long',
      mtime: '1.5',
      uid: '70000',
      'SCHILY.xattr.user.a': 'v',
      'LIBARCHIVE.xattr.user.a': 'dg'
    })
  ),
  archive(globalPax({ mtime: '7' }), longName('gnu/long'), longLink('to'), header({ type: '2', magic: GNU })),
  archive(
    pax({ 'SCHILY.acl.access': 'user::rw-,group::r--,other::r--', 'RHT.security.selinux': 'x' }),
    file('f', 'x')
  ),
  tar('.wh.a', 'd/.wh..wh..opq', file('b', 'x'.repeat(600))),
  oldSparse('xxxx', 5000, [
    [0, 2],
    [4000, 2]
  ]),
  sparse01('0,1,50,1', '2'),
  sparse10('2\n0\n1\n50\n1\n', 'xx')
]

/** The parser reads all bytes, however they are cut, and the members form a tree. */
export const tarTarget: FuzzTarget = {
  name: 'tar',
  seeds,
  words: ['12 path=a/b\n', 'SCHILY.xattr.user.', 'GNU.sparse.', '\0'.repeat(512), 'ustar\x0000', 'ustar  \0'],
  mutate: (bytes, random) => (random(4) === 0 ? moveBlocks(bytes, random) : mutateHeader(bytes, random)),
  execute(bytes) {
    const { members, rebuilt, events } = readTar(bytes, { limits: LIMITS })
    assert.ok(rebuilt.equals(bytes), 'literal and data joined are the archive')
    const again = readTar(bytes, { limits: LIMITS, chunkBytes: 177 })
    assert.equal(again.events, events, 'chunking changes nothing')
    for (const { path, linkTarget, kind } of members) {
      assert.not.match(path, /(?:^|\/)\.{0,2}(?:\/|$).|^\/|\/$|\0/)
      if (kind === 'hardlink') assert.not.match(linkTarget, /(?:^|\/)\.\.(?:\/|$)|^\/|\0/)
    }
    const tree = new LayerTree('fuzz')
    for (const member of members) tree.add(member, member.path, NONE)
    tree.finish()
    for (const names of tree.listings.values())
      for (const name of names.keys())
        assert.ok(name !== '' && !/^\.\.?$|[/\0]|^\.wh\./.test(name), JSON.stringify(name))
  }
}

const PLACE = { source: 'fuzz', member: undefined, offset: 0 }

export const paxTarget: FuzzTarget = {
  name: 'pax',
  seeds: () => [
    Buffer.from(record('path', 'a') + record('mtime', '-1.5') + record('size', '10'), 'latin1'),
    Buffer.from(
      record('SCHILY.xattr.security.capability', '\n\x80=\n') + record('LIBARCHIVE.xattr.user.%41', 'YQ'),
      'latin1'
    ),
    Buffer.from(
      record('GNU.sparse.major', '0') +
        record('GNU.sparse.map', '0,1,2,3') +
        record('GNU.sparse.offset', '1'),
      'latin1'
    ),
    Buffer.from(
      record('SCHILY.acl.access', 'user::rwx') + record('uid', '1') + record('hdrcharset', 'BINARY'),
      'latin1'
    )
  ],
  words: [
    'path',
    'linkpath',
    'GNU.sparse.numbytes',
    'RHT.security.',
    'SCHILY.xattr.',
    'LIBARCHIVE.xattr.',
    '%00',
    '11 ',
    '\n',
    '='
  ],
  mutate(bytes, random) {
    // Cut into records, each made again with a right length.
    const rows = bytes
      .toString('latin1')
      .split(/\n(?=\d+ )/)
      .map(row => row.replace(/^\d+ /, '').replace(/\n$/, ''))
    rows.splice(random(rows.length + 1), random(2), pick(random, rows))
    return Buffer.from(
      rows.map(row => record(row.split('=')[0], row.split('=').slice(1).join('='))).join(''),
      'latin1'
    )
  },
  execute(bytes) {
    const records = cutPaxRecords(bytes, PLACE)
    const written = records.map(({ key, value }) => record(key, value.toString('latin1'))).join('')
    const isPlain = !/(?:^|\n)0\d* /.test(bytes.toString('latin1'))
    if (isPlain) assert.ok(Buffer.from(written, 'latin1').length <= bytes.length, 'records are what was cut')
    applyRecords({}, records, new Oddities({ strict: false, endsAtMarker: false }), PLACE)
  }
}
