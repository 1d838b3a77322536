import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { OddityKind } from '../../../store/tar/oddities.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { needing } from '../../helpers/needs.ts'
import { realTree } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import {
  archive,
  END,
  extended,
  file,
  GNU,
  type HeaderFields,
  header,
  pax,
  record,
  V7
} from '../../helpers/tar-make.ts'
import { readTar } from '../../helpers/tar-read.ts'

/** Archives as other programs write them, against the rules of tar; where each was met says test/CREDITS.md. */

const oddity = suite('tar: what breaks a rule and is read in one way by all')
const base = scratch()
let roots = 0

const RECORD = 20 * 512

/** Fills the rest with the blocks of the record before, like a writer that does not clear its buffer. */
function withStaleTail(bytes: Buffer): Buffer {
  const whole = Buffer.alloc(Math.ceil(bytes.length / RECORD) * RECORD)
  bytes.copy(whole)
  for (let at = bytes.length; at < whole.length; at++) whole[at] = whole[at - RECORD]
  return whole
}

const manyFiles = (count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => file(`file-${i}`, `content ${i}`)))

const sized = (type: string, fields: HeaderFields = {}, name = 'sized'): Buffer =>
  archive(
    file('a', 'hello', fields),
    header({ name, type, size: 300, linkName: 'a', major: '0000001\0', minor: '0000003\0', ...fields }),
    file('b', 'behind', fields)
  )

interface Case {
  title: string
  bytes: Buffer
  kind: OddityKind
  count?: number
  offset: number
}

const CASES: Case[] = [
  { title: 'no end marker', bytes: manyFiles(2), kind: 'no-end-marker', offset: 2048 },
  {
    title: 'a note behind the end (archive_with_trailer.tar)',
    bytes: Buffer.concat([archive(file('a', 'x')), Buffer.from('Hello, world!\n')]),
    kind: 'bytes-behind-end',
    offset: 2048
  },
  {
    title: 'one block of zeros, and a line end (Maven)',
    bytes: Buffer.concat([file('a', 'x'), Buffer.alloc(1023), Buffer.from('\n')]),
    kind: 'bytes-behind-end',
    offset: 1536
  },
  {
    title: 'some bytes of a buffer in the middle of zeros (AIX)',
    bytes: Buffer.concat([
      file('a', 'x'),
      Buffer.alloc(2584),
      Buffer.from('\x2f\x10\0\x08'),
      Buffer.alloc(6628)
    ]),
    kind: 'bytes-behind-end',
    offset: 3584
  },
  {
    title: 'whole members of one record before, two blocks of zeros between (Ant)',
    bytes: withStaleTail(archive(manyFiles(14))),
    kind: 'bytes-behind-end',
    offset: 14 * 1024 + 1024
  },
  { title: 'a size on a directory', bytes: sized('5'), kind: 'unused-size', offset: 1024 },
  { title: 'a size on a hard link', bytes: sized('1'), kind: 'unused-size', offset: 1024 },
  {
    title: 'a size on a hard link of old tar at the end of the file',
    bytes: Buffer.concat([
      file('a', 'hello', { magic: V7 }),
      header({ name: 'sized', type: '1', size: 300, linkName: 'a', magic: V7 }),
      Buffer.alloc(512)
    ]),
    kind: 'unused-size',
    offset: 1024
  },
  { title: 'a size on a symbolic link', bytes: sized('2'), kind: 'unused-size', offset: 1024 },
  { title: 'a size on a device', bytes: sized('3', { magic: GNU }), kind: 'unused-size', offset: 1024 },
  { title: 'a size on a fifo', bytes: sized('6'), kind: 'unused-size', offset: 1024 },
  {
    title: 'a size on a directory of v7',
    bytes: sized('\0', { magic: V7 }, 'sized/'),
    kind: 'unused-size',
    offset: 1024
  },
  {
    title: "extended headers of Sun's type X",
    bytes: archive(
      extended('X', record('path', 'long/name') + record('mtime', '1700000000.5')),
      file('short', 'x'),
      extended('X', record('uid', '70000')),
      file('other', 'y')
    ),
    kind: 'sun-header',
    count: 2,
    offset: 0
  }
]

/** Paths that a program unpacks, as root: kinds, and bytes of files. */
function unpackedBy(program: string, bytes: Buffer): string[] {
  const root = join(base, String(roots++))
  const out = join(root, 'out')
  mkdirSync(out, { recursive: true })
  writeFileSync(join(root, 'in.tar'), bytes)
  const { status, stderr } = spawnSync(program, ['-xf', join(root, 'in.tar'), '-C', out], {
    encoding: 'latin1'
  })
  assert.is(status, 0, `${program}: ${stderr}`)
  return [...realTree(out)]
    .filter(([path]) => path !== '')
    .map(([path, { kind, contentHash }]) => `${path} ${kind} ${contentHash}`)
    .sort()
}

for (const { title, bytes, kind, count = 1, offset } of CASES) {
  oddity(`${title}: taken, counted, and given back byte for byte`, () => {
    for (const chunkBytes of [1 << 20, 7, 4096]) {
      const { oddities, rebuilt } = readTar(bytes, { chunkBytes })
      assert.equal(
        oddities.map(found => [found.kind, found.count, found.offset]),
        [[kind, count, offset]]
      )
      assert.ok(rebuilt.equals(bytes))
    }
  })

  oddity(`${title}: refused when read strictly, with the place and the flag`, () => {
    const error = refusal(() => readTar(bytes, { limits: { strict: true } }))
    assert.is(error.code, 'TAR_INVALID')
    assert.is(error.facts.offset, offset)
    assert.match(error.hint!, '--strict')
  })

  needing(
    oddity,
    'root',
    'tar',
    'bsdtar'
  )(`${title}: GNU tar and bsdtar unpack the same`, () => {
    const { members } = readTar(bytes)
    const directories = new Set(
      members.flatMap(({ path }) => (path.includes('/') ? [path.slice(0, path.lastIndexOf('/'))] : []))
    )
    const byTar = unpackedBy('tar', bytes)
    assert.equal(unpackedBy('bsdtar', bytes), byTar)
    assert.equal(
      byTar.map(line => line.split(' ')[0]),
      [...members.map(({ path }) => path), ...directories].sort()
    )
  })
}

function refusal(action: () => void): StrataError {
  try {
    action()
  } catch (error) {
    if (error instanceof StrataError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

oddity('refuses another archive behind the end, however small, and even in the same record', () => {
  const bytes = Buffer.concat([archive(file('a', 'x')), archive(file('b', 'y'))])
  assert.match(refusal(() => readTar(bytes)).message, 'another archive begins behind')
  const stale = withStaleTail(archive(manyFiles(14)))
  header({ name: 'other' }).copy(stale, stale.length - 1024)
  assert.match(refusal(() => readTar(stale)).message, 'another archive begins behind')
})

oddity(
  'takes members behind the end of a layer, where containers stop, and only behind two blocks of zeros',
  () => {
    const toc = file('stargz.index.json', '{}')
    const layer = Buffer.concat([archive(file('a', 'x')), toc, END])
    const { members, oddities, rebuilt } = readTar(layer, { endsAtMarker: true })
    assert.equal(
      members.map(({ path }) => path),
      ['a']
    )
    assert.equal(oddities, [{ kind: 'members-behind-end', count: 1, offset: 2048 }])
    assert.ok(rebuilt.equals(layer))
    // Go's archive/tar, which docker, podman and umoci use, refuses a header behind one block.
    const single = Buffer.concat([file('a', 'x'), Buffer.alloc(512), toc, END])
    assert.match(
      refusal(() => readTar(single, { endsAtMarker: true })).message,
      'another archive begins behind'
    )
  }
)

oddity('refuses sizes where content may follow, or where readers disagree', () => {
  const link = { name: 'l', type: '1', linkName: 'a', size: 5 }
  const cases = [
    archive(file('a', 'x'), file('l', 'hello', { ...link, size: 5 })),
    archive(pax({ mtime: '1' }), file('a', 'x'), header(link), file('b', 'y')),
    archive(file('d/', 'hello')),
    archive(header({ name: 'd/', size: 5 }), file('b', 'y')),
    Buffer.concat([file('a', 'x'), header({ ...link, type: '2' })])
  ]
  for (const bytes of cases) assert.match(refusal(() => readTar(bytes)).message, /with a size of 5, wanted 0/)
})

oddity("refuses a sparse file in Solaris's way, whose bytes would stand in the wrong places", () => {
  const bytes = archive(pax({ 'SUN.holesdata': ' 0 512 1024' }), file('a', 'x'))
  assert.match(refusal(() => readTar(bytes)).message, 'SUN.holesdata')
})

oddity("reads device numbers under Sun's names", () => {
  const numbers = { 'SUN.devmajor': '259', 'SUN.devminor': '300000' }
  const [device] = readTar(archive(pax(numbers), header({ type: '4', major: '0\0', minor: '0\0' }))).members
  assert.equal([device.deviceMajor, device.deviceMinor], [259, 300_000])
})

oddity.run()
