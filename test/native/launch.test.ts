import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { makeSif, PARTITION, PRIMARY_SYSTEM, SQUASHFS } from '../compose/sources/sif-make.ts'
import { LAUNCHER, type LaunchWorld, launch, launchWorld, processesWith } from '../helpers/launcher.ts'
import { atCheckSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { asUser, userEnvironment } from '../helpers/runtimes.ts'
import { suite } from '../helpers/suite.ts'

/** The launcher by itself, as an ordinary user, on images that compose and mksquashfs built (spec/launcher.md). */

let made: LaunchWorld | undefined
const world = (): LaunchWorld => {
  made ??= launchWorld()
  return made
}

const NEEDS = ['fuse', 'squashfuse_ll']

const pause = (milliseconds: number) => new Promise(resolve => setTimeout(resolve, milliseconds))

const program = suite('launcher: program')

atCheckSize(needing(program, ...NEEDS))(
  'gets its words, its input and the environment that was asked for',
  () => {
    const { image } = world()
    const script = 'cat; for word; do echo "<$word>"; done; echo "$A"; [ "$HOST" = 1 ] || echo unset'
    const words = ['--setenv', 'A', 'x=y\nz', '--unsetenv', 'HOST', image, '--', 'sh', '-c', script, 'sh']
    const found = launch(world(), [...words, '', ' ', '"', '$x', '*', '--'], { HOST: '1' }, 'in\n')
    assert.is(found.stdout, 'in\n<>\n< >\n<">\n<$x>\n<*>\n<-->\nx=y\nz\nunset\n', found.stderr)
  }
)

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

needing(program, ...NEEDS)('that is not there controls no terminal by its name or by PATH', () => {
  const hostile = 'a\x1b[31mb\u009b32mc\u202ed\x7f'
  const { image } = world()
  for (const name of [`/${hostile}`, hostile]) {
    const { status, stderr } = launch(world(), ['--setenv', 'PATH', `/bin:/é${hostile}`, image, name])
    assert.is(status, 127)
    assert.not.match(stderr, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/)
    assert.match(stderr, 'a\\033[31mb\\302\\23332mc\\342\\200\\256d\\177')
    assert.is(stderr.includes('/é'), name === hostile)
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

/** Both halves of a word, of which the kernel reads the lower one; a pipe has no typing, so it would say ENOTTY (25). */
const TYPES = `
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  long long high = sizeof(long) > 4 ? 1LL << 32 : 0;
  long requests[] = {0x5412, 0x541C, 0x5412 | high, 0x541C | high, 0x5401};
  for (int i = 0; i < 5; i++) printf("%d ", syscall(SYS_ioctl, 0, requests[i], "x") < 0 ? errno : 0);
  /* As x32: by its own number, and by that of x86-64, which Linux before 5.4 takes, too. */
  for (int i = 0; i < 4 && high > 0; i++)
    printf("%d ", syscall(0x40000000 | (i < 2 ? 514 : SYS_ioctl), 0, requests[i % 2], "x") < 0 ? errno : 0);
  return 0;
}
`

for (const [what, flag, answers, ...needs] of [
  ['a program', '-m64', '1 1 1 1 25 1 1 1 1 ', 'gcc'],
  ['a 32-bit program', '-m32', '1 1 1 1 25 ', 'gcc', 'gcc-multilib', '32-bit']
])
  needing(
    program,
    ...NEEDS,
    ...needs
  )(`can type nothing into the terminal of the user, also as ${what}`, () => {
    const { image, home } = world()
    writeFileSync(join(home, 'types.c'), TYPES)
    bash(`gcc ${flag} -static -o "$1/types" "$1/types.c"; chmod 755 "$1/types"`, home)
    const { stdout, stderr } = launch(
      world(),
      ['--bind', home, '/mnt/0', image, '--', '/mnt/0/types'],
      {},
      'in'
    )
    assert.is(stdout, answers, stderr)
  })

needing(program, ...NEEDS)(
  'finds a descriptor closed that its caller closed, and no file of ours has its number',
  () => {
    const { image } = world()
    const script = 'for fd in 0 1 2; do [ -e /proc/$$/fd/$fd ] || echo "$fd is closed"; done'
    const found = bash('"$@" <&- 2>&-', ...asUser([LAUNCHER, 'run', image, 'sh', '-c', script]))
    assert.is(found.toString(), '0 is closed\n2 is closed\n')
  }
)

needing(
  program,
  ...NEEDS,
  'perl'
)('is ended by a clock that was set before the launcher', () => {
  const { image } = world()
  const alarm = ['perl', '-e', 'alarm 1; exec @ARGV']
  const [name, ...words] = asUser([...alarm, LAUNCHER, 'run', image, 'sh', '-c', 'while :; do :; done'])
  assert.is(spawnSync(name, words, { stdio: 'inherit' }).signal, 'SIGALRM')
})

/** `script` leads a session on a terminal of its own. When it is killed, the terminal is gone. */
needing(
  program,
  ...NEEDS,
  'script'
)('ends with the terminal whose session the launcher leads', async () => {
  const { image, home } = world()
  const marker = `hung-up-${process.pid}`
  const [name, ...words] = asUser([
    'script',
    '-qfc',
    `exec ${LAUNCHER} run ${image} sh -c 'while :; do read x < /dev/null; done'`,
    '/dev/null'
  ])
  const child = spawn(name, words, { env: userEnvironment(home, { MARKER: marker }), stdio: 'ignore' })
  const seen = () => processesWith(marker).filter(({ command }) => command.startsWith('sh -c while'))
  for (let round = 0; seen().length === 0 && round < 400; round++) await pause(25)
  child.kill('SIGKILL')
  for (let round = 0; processesWith(marker).length > 0; round++) {
    assert.ok(round < 400, JSON.stringify(processesWith(marker)))
    await pause(25)
  }
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

atCheckSize(needing(tree, ...NEEDS, 'mksquashfs'))(
  'whose links lead out of it does not lead a mount out',
  () => {
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
  }
)

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

const sif = suite('launcher: SIF files')

needing(sif, ...NEEDS)('are started at the offset of their partition, and from an open file', () => {
  const { folder, image } = world()
  const path = join(folder, 'image.sif')
  const partition = { type: PARTITION, fileSystem: SQUASHFS, partitionType: PRIMARY_SYSTEM }
  writeFileSync(path, makeSif([{ ...partition, data: readFileSync(image) }]), { mode: 0o644 })
  const words = ['--offset', '32768', path, 'sh', '-c', 'echo started']
  assert.is(launch(world(), words).stdout, 'started\n')
  // Descriptor 3 is the image; the name is for messages alone, and the program does not get the descriptor.
  const program = ['sh', '-c', 'exec "$0" run --image-fd 3 --offset 32768 nowhere sh -c "$2" 3< "$1"']
  const listing =
    'echo started; for fd in /proc/self/fd/3 /proc/$$/fd/3; do [ ! -e $fd ] || echo "kept $fd"; done'
  const held = spawnSync(asUser(program)[0], [...asUser(program).slice(1), LAUNCHER, path, listing], {
    env: userEnvironment(world().home),
    encoding: 'utf8'
  })
  assert.is(held.stdout, 'started\n', held.stderr)
  assert.match(launch(world(), [path, 'true']).stderr, /squashfuse does not serve the image/)
  for (const [option, value] of [
    ['--offset', '-1'],
    ['--offset', '1k'],
    ['--image-fd', '77']
  ])
    assert.is(launch(world(), [option, value, path, 'true']).status, 125, option)
})

sif.run()

const wrong = suite('launcher: wrong words')
/** Those from which on the launcher has namespaces. */
const isStarted = (words: readonly string[]) => words.includes('/nonexistent') && words.length > 2

for (const [words, message] of [
  [['--nope', 'x', 'y'], /--nope is not an option/],
  [['--bind', 'a'], /--bind wants a value/],
  [['image'], /no program is named/],
  [['--parent', 'x', 'i', 'p'], /--parent x: wanted a number/],
  [['/nonexistent', 'true'], /\/nonexistent: No such file/],
  [['--bind', '/nonexistent', '/mnt/0', '/', 'true'], /\/nonexistent of the host cannot be mounted/],
  [['--cwd', '/nonexistent', '/usr', 'true'], /cannot start in \/nonexistent/]
] as const)
  needing(wrong, ...(isStarted(words) ? ['userns'] : []))(
    `${words.join(' ')} is an error of the launcher`,
    () => {
      const { status, stderr } = launch(world(), [...words])
      assert.is(status, 125, stderr)
      assert.match(stderr, message)
    }
  )

wrong.run()
