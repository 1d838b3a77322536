import { execFileSync } from 'node:child_process'
import { accessSync, chmodSync, constants, mkdirSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { composeEnvironment } from '../../../compose/runtime-files/environment-changes.ts'
import type { EnvironmentOperation } from '../../../store/module/environment.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { composeStack } from './compose-image.ts'
import { smallBase } from './small-base.ts'
import { randomOperations, TRICKY } from './tricky-values.ts'

/** In ch-run an unset variable is an empty one. */
const withoutUnset = (operations: EnvironmentOperation[]) =>
  operations.filter(({ operation }) => operation !== 'unset')

const LITERAL: EnvironmentOperation[] = TRICKY.map((value, i) => ({
  operation: 'set',
  name: `TRICKY_${i}`,
  value
}))

const BASE = [
  { operation: 'prepend', name: 'PATH', value: '/opt/base/bin' },
  ...withoutUnset(randomOperations(1, TRICKY))
] as EnvironmentOperation[]

const TOP = [
  { operation: 'prepend', name: 'PATH', value: '/opt/top dir/bin' },
  { operation: 'append', name: 'PATH', value: '/opt/late/bin' },
  ...withoutUnset(randomOperations(2, TRICKY)),
  ...LITERAL
] as EnvironmentOperation[]

/** Set by the profile of the small base; the other modules inherit it. */
const PATH = '/usr/bin:/bin'
const INHERITED = { PATH, TRICKY_A: 'inherited', TRICKY_B: '' }
const EXPECTED = ours(composeEnvironment([{ environment: BASE }, { environment: TOP }], INHERITED))

interface Built {
  image: string
  /** The same, unpacked. */
  directory: string
}

let built: Promise<Built> | undefined

const build = (): Promise<Built> => {
  built ??= buildOnce()
  return built
}

async function buildOnce(): Promise<Built> {
  const folder = scratch()
  // Readable for users other than root.
  chmodSync(folder, 0o755)
  const [image, directory] = [`${folder}/image.sqfs`, `${folder}/directory`]
  const stack = await composeStack([
    { name: 'base/small-1', tar: smallBase(), record: { environment: BASE } },
    { name: 'app/top-1', record: { environment: TOP, runscript: 'printf "run %s\\n" "$@"' } }
  ])
  await stack.writeImage(image)
  await stack.close()
  chmodSync(image, 0o644)
  bash('unsquashfs -q -n -d "$2" "$1" >/dev/null', image, directory)
  return { image, directory }
}

function ours(environment: Record<string, string>): Record<string, string> {
  const names = Object.keys(environment).filter(name => name === 'PATH' || name.startsWith('TRICKY_'))
  return Object.fromEntries(names.sort().map(name => [name, environment[name]]))
}

const seen = (env0: Buffer): Record<string, string> =>
  ours(
    Object.fromEntries(
      env0
        .toString()
        .split('\0')
        .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])
    )
  )

/** Runs as an ordinary user, because nothing here needs root. */
function asUser(program: string, ...args: string[]): Buffer {
  const user = process.getuid?.() === 0 ? ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups'] : []
  const [command, ...rest] = [...user, program, ...args]
  return execFileSync(command, rest, {
    cwd: '/',
    env: { ...INHERITED, PATH: `${PATH}:/usr/sbin:/sbin`, USER: 'user', HOME: '/tmp' },
    stdio: ['ignore', 'pipe', 'pipe']
  })
}

/** ch-run inherits the PATH that finds it, so what it makes of PATH is asked for again, from the usual one. */
const chRun = (options: string[], target: string, ...command: string[]) =>
  seen(asUser('ch-run', ...options, `--set-env=PATH=${PATH}`, '--set-env', target, '--', ...command))

const images = suite('generated: image')

needing(images, 'unsquashfs')('reads back as it was generated, of root and without a date', async () => {
  const stack = await composeStack([{ name: 'base/small-1' }])
  const image = `${scratch()}/image.sqfs`
  await stack.writeImage(image)
  for (const { path, kind, content } of stack.entries)
    if (kind === 'file')
      assert.equal(execFileSync('unsquashfs', ['-cat', image, path]), Buffer.from(content!), path)
  const list = execFileSync('unsquashfs', ['-lln', '-UTC', image]).toString()
  const lines = list.split('\n').filter(line => line.includes('squashfs-root/'))
  assert.is(lines.length, stack.entries.length)
  for (const line of lines) assert.match(line, / 0\/0 +\d+ 1970-01-01 00:00 /)
  await stack.close()
})

const charliecloud = suite('generated: ch-run')

needing(
  charliecloud,
  'ch-run',
  'unsquashfs'
)('--set-env gives the environment, on a directory', async () => {
  const { directory } = await build()
  assert.equal(chRun([], directory, 'env', '-0'), EXPECTED)
})

needing(
  charliecloud,
  'ch-run',
  'unsquashfs'
)('a login shell after --set-env changes nothing more', async () => {
  const { directory } = await build()
  assert.equal(chRun([], directory, 'sh', '-lc', 'exec env -0'), EXPECTED)
})

function canMount(): boolean {
  try {
    if (process.getuid?.() === 0) chmodSync('/dev/fuse', 0o666)
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

if (canMount())
  needing(
    charliecloud,
    'ch-run',
    'unsquashfs',
    'fusermount3'
  )('runs the image itself', async () => {
    const { image } = await build()
    const mount = `${scratch()}/mount`
    mkdirSync(mount)
    chmodSync(`${mount}/..`, 0o777)
    chmodSync(mount, 0o777)
    assert.equal(chRun([`--mount=${mount}`], image, 'env', '-0'), EXPECTED)
  })
else console.log('skipped: runs the image itself: needs /dev/fuse')

const sandboxes = suite('generated: bwrap')

const bwrap = (directory: string, ...command: string[]) => [
  ...['--unshare-user', '--ro-bind', directory, '/', '--dev', '/dev', '--proc', '/proc', '--tmpfs', '/tmp'],
  ...command
]

needing(
  sandboxes,
  'bwrap',
  'unsquashfs'
)('a login shell has the environment', async () => {
  const { directory } = await build()
  assert.equal(seen(asUser('bwrap', ...bwrap(directory, 'sh', '-lc', 'exec env -0'))), EXPECTED)
})

needing(
  sandboxes,
  'bwrap',
  'unsquashfs'
)('/.exec and /.run give it to any program', async () => {
  const { directory } = await build()
  const found = seen(asUser('bwrap', ...bwrap(directory, 'env', `PATH=${PATH}`, '/.exec', 'env', '-0')))
  assert.equal(found, EXPECTED)
  assert.is(asUser('bwrap', ...bwrap(directory, '/.run', 'a b', 'c')).toString(), 'run a b\nrun c\n')
})

const podman = suite('generated: podman')

/** crun refuses hosts with both cgroup versions, runc refuses --cgroups=disabled. */
const podmanRuntime = (): string[] => {
  const runc = bash('command -v runc || true').toString().trim()
  return runc === '' ? ['--cgroups=disabled'] : ['--runtime', runc]
}

needing(
  podman,
  'root',
  'podman',
  'mount'
)('runs the mounted image, into which it cannot put anything', async () => {
  const { image } = await build()
  const folder = scratch()
  bash(
    'printf "[containers]\\ndefault_ulimits=[]\\n" > "$1/containers.conf"; mkdir "$1/mnt"; mount -o loop,ro "$2" "$1/mnt"',
    folder,
    image
  )
  try {
    const args = [
      'run',
      '--rm',
      '--read-only',
      '--network=host',
      ...podmanRuntime(),
      '--rootfs',
      `${folder}/mnt`
    ]
    const output = execFileSync('podman', [...args, 'sh', '-lc', 'exec env -0'], {
      env: { ...process.env, CONTAINERS_CONF: `${folder}/containers.conf` },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const records = [{ environment: BASE }, { environment: TOP }]
    assert.equal(seen(output), ours(composeEnvironment(records, { PATH })))
  } finally {
    bash('umount "$1/mnt"', folder)
  }
})

images.run()
charliecloud.run()
sandboxes.run()
podman.run()
