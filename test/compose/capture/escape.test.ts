import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { LAUNCHER } from '../../helpers/launcher.ts'
import { needing, suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'

/** A hostile command in a capture of root, whose host is that of root as well (spec/capture.md#guarantees). */

interface Attack {
  /** A folder of the host, which the command knows the path of. */
  host: string
  tree: string
  /** What the command printed. */
  out: string
}

const PROBE_HEAD = `
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
static char path[4096];
static const char *at(const char *format, const char *folder) { snprintf(path, sizeof path, format, folder); return path; }
int main(int count, char **words) { const char *host = words[count - 1];
`

/** Runs a C program as the command of a capture; its word is the folder of the host. */
function attack(body: string, options: string[] = [], flag = '-m64'): Attack {
  const folder = scratch()
  const [host, tree] = [join(folder, 'host'), join(folder, 'tree')]
  for (const path of [host, tree, join(tree, 'bin')]) mkdirSync(path, { mode: 0o700 })
  writeFileSync(join(host, 'victim'), '', { mode: 0o600 })
  writeFileSync(join(folder, 'probe.c'), `${PROBE_HEAD}${body}\nreturn 0; }\n`)
  bash(`gcc ${flag} -static -w -o "$1/tree/bin/probe" "$1/probe.c"`, folder)
  writeFileSync(join(folder, 'metadata'), 'strata-metadata-1\0/end\0')
  writeFileSync(join(folder, 'options'), options.map(each => `${each.replace('HOST', host)}\0`).join(''))
  const files = ['--metadata', join(folder, 'metadata'), '--result', join(folder, 'result')]
  const words = ['capture', '--parent', String(process.pid), '--report', '2', ...files]
  const { status, stdout, stderr } = spawnSync(
    LAUNCHER,
    [...words, '--options', join(folder, 'options'), '--', tree, '--', '/bin/probe', host],
    { encoding: 'utf8' }
  )
  assert.is(status, 0, stderr)
  return { host, tree, out: stdout }
}

const escaping = suiteNeeding('capture: escape', 'userns')
const hostile = needing(escaping, 'root', 'gcc')

const WAYS = [
  ...[
    '/proc/self/../..%s/',
    '/proc/self/fd/../../..%s/',
    '/proc/self/root/../..%s/',
    '/proc/self/task/../../..%s/'
  ],
  ...[
    '/proc/thread-self/../../..%s/',
    '/dev/fd/../../..%s/',
    '/dev/fd/../../../..%s/',
    '/../../..%s/',
    '../../..%s/'
  ]
]

hostile('no path with .. behind /proc/self or /dev/fd leads to files of the host', () => {
  const tries = WAYS.map(
    (
      way,
      i
    ) => `chmod(at("${way}victim", host), 04666); open(at("${way}new${i}", host), O_CREAT | O_WRONLY, 0644);
      mkdir(at("${way}folder${i}", host), 0755); symlink("x", at("${way}link${i}", host));`
  )
  const { host } = attack(`setfsuid(0); ${tries.join('\n')} setfsuid(7); ${tries.join('\n')}`)
  assert.equal(readdirSync(host), ['victim'])
  assert.is(statSync(join(host, 'victim')).mode & 0o7777, 0o600)
})

hostile('a link in place of the folder of a bind leads the clean-up to no file of the host', () => {
  const { host, tree } = attack('rename("/data", "/moved"); symlink("../host", "/data"); puts("swapped");', [
    ...['--bind', 'HOST', '/data/victim']
  ])
  assert.ok(existsSync(join(host, 'victim')))
  assert.ok(existsSync(join(tree, 'moved')))
})

const TYPES = `
  for (int high = 0; high < 2; high++) {
    long request[] = {0x5412 | (long)((unsigned long long)high << 32), 0x541C | (long)((unsigned long long)high << 32)};
    for (int i = 0; i < 2; i++) printf("%d ", syscall(SYS_ioctl, 0, request[i], "x") < 0 ? errno : 0);
  }`

hostile('nothing can be typed into the terminal of the user', () => {
  assert.is(attack(TYPES).out, '1 1 1 1 ')
})

needing(
  escaping,
  'root',
  'gcc',
  'gcc-multilib',
  '32-bit'
)('nor by a 32-bit program', () => {
  assert.is(attack(TYPES, [], '-m32').out, '1 1 1 1 ')
})

/** add_key, request_key, keyctl */
const READS_KEYS = `
  for (int i = 0; i < 3; i++) printf("%d ", syscall(SYS_add_key + i, i < 2 ? "user" : 0, "strata", "x", 1, -3) < 0 ? errno : 0);`

hostile('keys that the kernel holds for the user are out of reach', () => {
  assert.is(attack(READS_KEYS).out, '38 38 38 ')
})

needing(
  escaping,
  'root',
  'gcc',
  'gcc-multilib',
  '32-bit'
)('also of a 32-bit program', () => {
  assert.is(attack(READS_KEYS, [], '-m32').out, '38 38 38 ')
})

const NAME = `strata-escape-${process.pid}`

/** Binds two abstract sockets, and goes on until its input ends. */
const OUTSIDE = `
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(void) {
  int types[] = {SOCK_STREAM, SOCK_DGRAM};
  for (int i = 0; i < 2; i++) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int length = 2 + 1 + sprintf(name.sun_path + 1, "${NAME}-%d", i), fd = socket(AF_UNIX, types[i], 0);
    if (bind(fd, (void *)&name, length) != 0 || (i == 0 && listen(fd, 9) != 0)) return 1;
  }
  write(1, "ready", 5);
  return read(0, types, 1);
}`

/** What connect(2) says for each way to get a socket; then whether pairs and the network work. */
const CONNECTS = `
  int pair[2] = {-1, -1}, far[2], fds[5], types[] = {0, 1, 1, 0, 1};
  fds[0] = socket(1, 1, 0); fds[1] = socket(1, 2, 0);
  fds[2] = socketpair(1, 2, 0, pair) == 0 ? pair[0] : -1;
  fds[3] = fds[0]; fds[4] = fds[1];
#ifdef __i386__
  long one[] = {1, 1, 0}, two[] = {1, 2, 0, (long)far};
  fds[3] = syscall(SYS_socketcall, 1, one);
  fds[4] = syscall(SYS_socketcall, 8, two) == 0 ? far[0] : -1;
#endif
  for (int i = 0; i < 5; i++) {
    char name[110] = {1, 0, 0};
    int length = 2 + 1 + sprintf(name + 3, "${NAME}-%d", types[i]);
    if (i < 3 || fds[i] != fds[i - 3]) printf("%d ", connect(fds[i], (void *)name, length) == 0 ? 0 : errno);
  }
  struct ifreq loopback = {.ifr_name = "lo"};
  int ends[2], inet = socket(2, 1, 0);
  socketpair(1, 2, 0, ends); send(ends[0], "x", 1, 0);
  printf("%d %d", (int)read(ends[1], path, 9), ioctl(inet, SIOCGIFFLAGS, &loopback) == 0 && (loopback.ifr_flags & IFF_UP));`

async function outside(work: () => void): Promise<void> {
  const folder = scratch()
  writeFileSync(join(folder, 'outside.c'), OUTSIDE)
  bash('gcc -w -o "$1/outside" "$1/outside.c"', folder)
  const child = spawn(join(folder, 'outside'), { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  try {
    work()
  } finally {
    child.stdin.end()
    await once(child, 'exit')
  }
}

for (const [flag, refused] of [
  ['-m64', '111 111 111 '],
  ['-m32', '111 111 111 111 111 ']
])
  needing(
    escaping,
    'root',
    'gcc',
    ...(flag === '-m32' ? (['gcc-multilib', '32-bit'] as const) : [])
  )(`with the network, abstract sockets of the host are out of reach (${flag})`, () =>
    outside(() => {
      const { tree, out } = attack(CONNECTS, ['--network'], flag)
      assert.is(out, `${refused}1 1`)
      const free = spawnSync(join(tree, 'bin/probe'), { encoding: 'utf8' })
      assert.is(free.stdout, `${refused.replaceAll('111', '0')}1 1`)
    })
  )

hostile('calls of x32 and of io_uring are not there', () => {
  const numbers = ['0x40000000 | 2', '0x40000000 | 90', '0x40000000 | 514', '425', '437']
  const { out } = attack(
    numbers.map(number => `printf("%d ", syscall(${number}, 0, 0, 0) < 0 ? errno : 0);`).join('\n')
  )
  assert.is(out, '38 38 38 38 38 ')
})

hostile('controls of the kernel can be read only, and its secrets are empty', () => {
  const names = ['irq/default_smp_affinity', 'sysrq-trigger', 'sys/kernel/core_pattern', 'mtrr']
  const opens = names.map(name => `printf("%d ", open("/proc/${name}", O_WRONLY) < 0);`)
  const reads = ['kcore', 'keys', 'timer_list'].map(
    name =>
      `{ int fd = open("/proc/${name}", O_RDONLY); printf("%d ", fd < 0 ? 0 : (int)read(fd, path, 10)); }`
  )
  const { out } = attack([...opens, ...reads].join('\n'))
  assert.is(out, '1 1 1 1 0 0 0 ')
})

hostile(
  'control groups of the host are out of reach, by which all processes of a user could be ended',
  () => {
    const counts = ['/sys', '/sys/fs/cgroup'].map(
      path =>
        `{ int count = 0; DIR *folder = opendir("${path}"); while (folder && readdir(folder)) count++; printf("%d ", count > 2); }`
    )
    const { out } = attack(
      `${counts.join('\n')} printf("%d %d", mkdir("/sys/fs/cgroup/new", 0755) < 0, umount("/sys/fs/cgroup") < 0);`
    )
    assert.is(out, '1 0 1 1')
  }
)

const MOUNTS_GROUPS = `
  mkdir("/new", 0755);
  printf("%d ", syscall(SYS_unshare, 0x02000000) < 0 ? errno : 0);
  printf("%d ", syscall(SYS_clone, 0x02000000 | 17, 0, 0, 0, 0) < 0 ? errno : 0);
  printf("%d ", syscall(435, path, 64) < 0 ? errno : 0);
  printf("%d %d", mount("x", "/new", "cgroup2", 0, 0) < 0, mount("x", "/new", "cgroup", 0, "freezer") < 0);`

for (const flag of ['-m64', '-m32'])
  needing(
    escaping,
    'root',
    'gcc',
    ...(flag === '-m32' ? (['gcc-multilib', '32-bit'] as const) : [])
  )(`and no new view of them can be mounted (${flag})`, () => {
    assert.is(attack(MOUNTS_GROUPS, [], flag).out, '1 1 38 1 1')
  })

escaping.run()
