import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type LaunchWorld, launch, launchWorld } from '../helpers/launcher.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'

/** The launcher by itself, as an ordinary user, on images that compose and mksquashfs built (spec/launcher.md). */

let made: LaunchWorld | undefined
const world = (): LaunchWorld => {
  made ??= launchWorld()
  return made
}

const NEEDS = ['fuse', 'squashfuse_ll']

const program = suite('launcher: program')

needing(program, ...NEEDS)('gets its words, its input and the environment that was asked for', () => {
  const { image } = world()
  const script = 'cat; for word; do echo "<$word>"; done; echo "$A"; [ "$HOST" = 1 ] || echo unset'
  const words = ['--setenv', 'A', 'x=y\nz', '--unsetenv', 'HOST', image, '--', 'sh', '-c', script, 'sh']
  const found = launch(world(), [...words, '', ' ', '"', '$x', '*', '--'], { HOST: '1' }, 'in\n')
  assert.is(found.stdout, 'in\n<>\n< >\n<">\n<$x>\n<*>\n<-->\nx=y\nz\nunset\n', found.stderr)
})

needing(program, ...NEEDS)('gives its status or its signal to the launcher', () => {
  const { image } = world()
  for (const status of [0, 1, 77, 125, 255])
    assert.is(launch(world(), [image, 'sh', '-c', `exit ${status}`]).status, status)
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGKILL'])
    assert.is(launch(world(), [image, 'sh', '-c', `kill -${signal.slice(3)} $$`]).signal, signal)
})

needing(program, ...NEEDS)('that is not there, or cannot be executed, is named', () => {
  const { image, home } = world()
  writeFileSync(join(home, 'script'), '#!/no/interpreter\n', { mode: 0o755 })
  for (const [name, status, message] of [
    ['none', 127, /none is not found in the folders of PATH inside: /],
    ['/none', 127, /\/none is not found inside/],
    ['/etc/profile', 126, /\/etc\/profile is there, but it is not executable/],
    ['/mnt/0/script', 126, /the interpreter or loader that it names is not/]
  ] as const) {
    const found = launch(world(), ['--bind', home, '/mnt/0', image, name])
    assert.is(found.status, status, found.stderr)
    assert.match(found.stderr, message)
  }
})

needing(program, ...NEEDS)('has the ids of the user, no privilege, and can gain none', () => {
  const { image } = world()
  const { stdout } = launch(world(), [
    image,
    'sh',
    '-c',
    'id -u; while read -r a b; do echo "$a $b"; done < /proc/self/status'
  ])
  const [uid, ...status] = stdout.split('\n')
  assert.is(uid, String(process.getuid?.() === 0 ? 1000 : process.getuid?.()))
  for (const line of ['CapEff: 0000000000000000', 'CapPrm: 0000000000000000', 'NoNewPrivs: 1'])
    assert.ok(status.includes(line), line)
})

program.run()

const tree = suite('launcher: tree')

needing(tree, ...NEEDS)(
  'shows what the image holds, also where a place had to be made, and cannot be written to',
  () => {
    const { image, home } = world()
    const lister =
      'for f in /* /etc/* /usr/*; do echo $f; done; for at in / /etc /some /some/where; do (: > $at/new) 2>/dev/null && echo "written $at"; done; cat /some/where/deep/file'
    writeFileSync(join(home, 'file'), 'of the host\n')
    const plain = launch(world(), [
      image,
      'sh',
      '-c',
      'for f in /* /etc/* /usr/*; do echo $f; done'
    ]).stdout.split('\n')
    const found = launch(world(), [
      '--ro-bind',
      home,
      '/some/where/deep',
      '--bind',
      join(home, 'file'),
      '/etc/x/y',
      image,
      'sh',
      '-c',
      lister
    ])
    assert.equal(
      found.stdout.split('\n').filter(line => !['/some', '/etc/x'].includes(line)),
      [...plain.slice(0, -1), 'of the host', '']
    )
  }
)

needing(
  tree,
  ...NEEDS,
  'mksquashfs'
)('whose links lead out of it does not lead a mount out', () => {
  const { folder, home, image } = world()
  const outside = join(folder, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'file'), 'untouched')
  writeFileSync(join(home, 'source'), 'bound')
  bash(
    `cd "$1"; unsquashfs -q -n -no-xattrs -d hostile "$2" > /dev/null; cd hostile
    ln -s "$3" out; ln -s ../../../../../../..$3 up; ln -s loop loop; rm -rf mnt/1; ln -s /out mnt/1
    mkdir -p "./$3"; echo inside > "./$3/file"; mksquashfs . ../hostile.sqfs -quiet -no-progress -noappend -comp zstd > /dev/null
    chmod 644 ../hostile.sqfs; chmod -R a+rwX "$3"`,
    folder,
    image,
    outside
  )
  const hostile = join(folder, 'hostile.sqfs')
  for (const target of ['/out/file', '/up/file', '/mnt/1/file', '/out/../out/file']) {
    // /tmp of the host would hide the folder of the image that has the same name.
    const words = ['--bind', join(home, 'source'), target, hostile, 'cat', target]
    const found = launch(world(), words)
    assert.not.match(found.stdout, /untouched/)
    assert.is(readFileSync(join(outside, 'file'), 'utf8'), 'untouched')
  }
  const circle = launch(world(), ['--bind', home, '/loop/x', hostile, 'true'])
  assert.is(circle.status, 125)
  assert.match(circle.stderr, /cannot be mounted at \/loop\/x/)
  const made = launch(world(), ['--bind', home, '/up/new/folder', hostile, 'true'])
  assert.is(made.status, 125, 'no folder is made on the host')
  assert.not.ok(existsSync(join(outside, 'new')))
})

needing(tree, ...NEEDS)('that is garbage is an error that names squashfuse, and leaves nothing', () => {
  const { folder, image } = world()
  const start = readFileSync(image).subarray(0, 96)
  const images: [string, Buffer][] = [
    ['empty', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(1 << 16)],
    ['start', Buffer.concat([start, Buffer.alloc(1 << 16, 0x5a)])]
  ]
  for (const [name, bytes] of images) {
    const path = join(folder, name)
    writeFileSync(path, bytes, { mode: 0o644 })
    const found = launch(world(), [path, 'true'])
    assert.is(found.status, 125, name)
    assert.match(found.stderr, /squashfuse does not serve the image: .+/)
  }
})

tree.run()

const wrong = suite('launcher: wrong words')

for (const [words, message] of [
  [['--nope', 'x', 'y'], /--nope is not an option/],
  [['--bind', 'a'], /--bind wants a value/],
  [['image'], /no program is named/],
  [['--parent', 'x', 'i', 'p'], /--parent x: wanted a number/],
  [['/nonexistent', 'true'], /\/nonexistent: No such file/],
  [['--bind', '/nonexistent', '/mnt/0', '/', 'true'], /\/nonexistent of the host cannot be mounted/],
  [['--cwd', '/nonexistent', '/usr', 'true'], /cannot start in \/nonexistent/]
] as const)
  wrong(`${words.join(' ')} is an error of the launcher`, () => {
    const { status, stderr } = launch(world(), [...words])
    assert.is(status, 125, stderr)
    assert.match(stderr, message)
  })

wrong.run()
