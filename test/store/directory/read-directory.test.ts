import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { asNobody, describeTree, makeTree, type Node, readingScript, readTree } from './trees.ts'

const directories = suite('directory as a tar')

const MiB = 1 << 20
const LONG = 'component-of-some-length/'.repeat(12)

/** Parents first, and otherwise in no useful order. */
const TREE: [string, Node][] = [
  ['.', { directory: true, mode: 0o1751, owner: [1001, 1002], mtime: [1_500_000_000, 1] }],
  ['zoo', { directory: true, mode: 0o2775, owner: [4_294_967_294, 2_147_483_653], mtime: [12, 345] }],
  ['zoo/inner', { file: Buffer.from('inner'), mode: 0o4755, mtime: [-5, 0] }],
  ['zoo.d', { directory: true }],
  ['zoo.d/file', { file: Buffer.from('zoo.d sorts after zoo/inner, since / ends a component') }],
  ['empty', { file: Buffer.alloc(0), mode: 0 }],
  ['block', { file: Buffer.alloc(512, 7) }],
  ['large', { file: randomBytes(3 * MiB + 1), mtime: [1_700_000_000, 999_999_999] }],
  ['zeros', { file: Buffer.alloc(65_536) }],
  ['caf\xe9\n\xff', { file: Buffer.from('bytes'), mtime: [0, 0] }],
  ['caf\xc3\xa9', { directory: true }],
  ['b-link', { symlink: 'target\xfe\n/../..' }],
  ['b-long-link', { symlink: `${LONG}\xff`, mtime: [1_234_567_890, 123_456_789], owner: [70_000, 80_000] }],
  ['c-first', { file: Buffer.from('linked') }],
  ['a-later', { hardLink: 'c-first' }],
  ['zoo/again', { hardLink: 'c-first' }],
  ['hard-symlink', { hardLink: 'b-link' }],
  ['null', { character: [1, 3], mode: 0o666 }],
  ['disk', { block: [259, 1_048_575], mode: 0o640 }],
  ['fifo', { fifo: true, mode: 0o600 }],
  ['hole-end', { file: { sizeBytes: 3 * MiB, data: [[0, Buffer.from('start')]] } }],
  ['hole-start', { file: { sizeBytes: 3 * MiB, data: [[3 * MiB - 3, Buffer.from('end')]] } }],
  ['hole-all', { file: { sizeBytes: 5 * MiB + 7, data: [] } }],
  [
    'hole-many',
    {
      file: {
        sizeBytes: 9 * MiB + 100,
        data: [
          [100_000, Buffer.from('a')],
          [2 * MiB, randomBytes(1_500_000)],
          [9 * MiB, Buffer.from('tail')]
        ]
      }
    }
  ],
  ...LONG.split('/')
    .slice(0, -1)
    .map((_, depth, all): [string, Node] => [
      all.slice(0, depth + 1).join('/'),
      { directory: true, mtime: [depth + 0.0, depth] }
    ]),
  [`${LONG}${'n'.repeat(255)}`, { file: Buffer.from('a path of more than 500 bytes') }],
  [`${LONG}\xff`, { file: { sizeBytes: 2 * MiB, data: [[MiB, Buffer.from('sparse, not UTF-8')]] } }],
  [`${LONG}hard`, { hardLink: `${LONG}${'n'.repeat(255)}` }]
]

function made(nodes = TREE): string {
  const directory = scratch()
  makeTree(directory, nodes)
  return directory
}

async function extracted(directory: string, command: string[]): Promise<string> {
  const target = scratch()
  const { bytes } = await readTree(directory)
  const [program, ...options] = command
  execFileSync(program, [...options, '-C', target], { input: bytes, stdio: 'pipe' })
  return target
}

const GNU_TAR = ['tar', '--numeric-owner', '--same-owner', '-xpf', '-']

needing(
  directories,
  'root',
  'tar'
)('GNU tar extracts every field as it was', async () => {
  const origin = made()
  assert.equal(describeTree(await extracted(origin, GNU_TAR)), describeTree(origin))
})

needing(
  directories,
  'root',
  'bsdtar'
)('bsdtar extracts every field as it was', async () => {
  const origin = made()
  const target = await extracted(origin, ['bsdtar', '--numeric-owner', '-xpf', '-'])
  // bsdtar never gives the directory it extracts into its time, of its own archives neither.
  const withoutTopTime = (tree: string[]) => [tree[1].replace(/ \S+ links/, ' links'), ...tree.slice(2)]
  assert.equal(withoutTopTime(describeTree(target)), withoutTopTime(describeTree(origin)))
})

needing(directories, 'root')('sparse files are extracted sparse, and only they', async () => {
  const target = await extracted(made(), GNU_TAR)
  const blocks = (name: string) => Number(execFileSync('stat', ['-c', '%b', join(target, name)]))
  assert.ok(blocks('hole-all') < 16)
  assert.ok(blocks('hole-end') < 32)
  assert.ok(blocks('hole-many') < (1_500_000 / 512) * 1.1)
  assert.ok(blocks('zeros') >= 128)
})

needing(directories, 'root')(
  'members stand in byte order of their components, a directory before its content',
  async () => {
    const { bytes } = await readTree(made())
    const listed = execFileSync('tar', ['-t', '--quoting-style=literal', '--null', '-f', '-'], {
      input: bytes
    }).toString('latin1')
    const order = [
      'a-later',
      'b-link',
      'c-first',
      'caf\xc3\xa9/',
      'zoo/',
      'zoo/inner',
      'zoo.d/',
      'zoo.d/file'
    ]
    const places = order.map(path => listed.indexOf(`\n${path}\n`))
    assert.ok(
      places.every((place, index) => place > (places[index - 1] ?? 0)),
      `${places}`
    )
    assert.ok(listed.startsWith('./\n'))
  }
)

needing(directories, 'root')(
  'the same tree made in another order, under another umask, gives the same bytes',
  async () => {
    const isDirectory = ([, node]: [string, Node]) => 'directory' in node
    const isLink = ([, node]: [string, Node]) => 'hardLink' in node
    const others = TREE.filter(node => !isDirectory(node) && !isLink(node)).toReversed()
    const reordered = [...TREE.filter(isDirectory), ...others, ...TREE.filter(isLink).toReversed()]
    const umask = process.umask(0)
    const first = made()
    const second = made(reordered)
    process.umask(0o77)
    const read = [await readTree(first), await readTree(second), await readTree(`${second}/.`)]
    process.umask(umask)
    assert.equal(new Set(read.map(({ sha256 }) => sha256)).size, 1)
  }
)

needing(
  directories,
  'root',
  'mount',
  'mkfs.ext4'
)('holes of another granularity give the same bytes', async () => {
  const image = join(scratch(), 'ext4')
  writeFileSync(image, '')
  truncateSync(image, 64 * MiB)
  execFileSync('mkfs.ext4', ['-q', '-b', '1024', image])
  const other = scratch()
  execFileSync('mount', ['-o', 'loop', image, other])
  try {
    // With blocks of 1 KiB the data take parts of pages; with 16 KiB that are written at once a page of zeros becomes
    // data.
    const tail = Buffer.concat([Buffer.alloc(8192), Buffer.from('x'), Buffer.alloc(8191)])
    const nodes = (written: [number, Buffer][]): [string, Node][] => [
      ['top', { directory: true }],
      ['top/sparse', { file: { sizeBytes: MiB, data: written } }]
    ]
    makeTree(
      other,
      nodes([
        [500_000, Buffer.from('y')],
        [8192, Buffer.from('x')]
      ])
    )
    const here = made(
      nodes([
        [0, tail],
        [499_712, Buffer.concat([Buffer.alloc(288), Buffer.from('y')])]
      ])
    )
    const [one, two] = [await readTree(join(other, 'top')), await readTree(join(here, 'top'))]
    assert.is(one.sha256, two.sha256)
    assert.ok(one.bytes.length < 20_000)
  } finally {
    execFileSync('umount', [other])
  }
})

directories('a socket is left out and reported', async () => {
  const directory = scratch()
  writeFileSync(join(directory, 'file'), 'x')
  const server = createServer().listen(join(directory, 'socket'))
  const { bytes, skipped } = await readTree(directory)
  server.close()
  assert.equal(
    skipped.map(([path]) => path),
    ['socket']
  )
  assert.is(execFileSync('tar', ['-tf', '-'], { input: bytes, encoding: 'utf8' }), './\nfile\n')
})

needing(
  directories,
  'root',
  'mount'
)('a mount inside is entered, a link to a directory is not', async () => {
  const directory = scratch()
  mkdirSync(join(directory, 'mnt'))
  symlinkSync('/etc', join(directory, 'link'))
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(directory, 'mnt')])
  try {
    writeFileSync(join(directory, 'mnt/on-tmpfs'), 'x')
    const { bytes } = await readTree(directory)
    const listed = execFileSync('tar', ['-tf', '-'], { input: bytes, encoding: 'utf8' })
    assert.is(listed, './\nlink\nmnt/\nmnt/on-tmpfs\n')
  } finally {
    execFileSync('umount', [join(directory, 'mnt')])
  }
})

needing(
  directories,
  'root',
  'setpriv'
)('another user, locale and time zone give the same bytes', async () => {
  const directory = made([
    ['.', { directory: true }],
    ['Z', { file: Buffer.from('1'), owner: [7, 8] }],
    ['a', { directory: true, mode: 0o1777 }],
    ['a/\xe4', { symlink: 'x' }],
    ['_', { file: { sizeBytes: MiB, data: [[70_000, Buffer.from('data')]] } }]
  ])
  const { sha256 } = await readTree(directory)
  const elsewhere = { LC_ALL: 'sv_SE.UTF-8', TZ: 'Asia/Kathmandu' }
  assert.is(JSON.parse(asNobody(readingScript(directory), elsewhere)).sha256, sha256)
})

directories.run()
