import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { examineHost } from '../../compose/run/index.ts'
import { COMPOSE, documentOf, type Ran } from '../helpers/compose.ts'
import { whileReplacing } from '../helpers/exchanging.ts'
import { type LaunchWorld, launchWorld } from '../helpers/launcher.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { asUser, composeAs, userEnvironment } from '../helpers/runtimes.ts'
import { suite } from '../helpers/suite.ts'

/** `compose doctor` on this host, and on one that lacks a feature: what it says is what `compose run` meets. */

let made: LaunchWorld | undefined
const world = (): LaunchWorld => {
  made ??= launchWorld()
  return made
}

interface Check {
  name: string
  works: boolean
  found: string
  remedy?: string
}

const checksOf = (printed: string): Record<string, Check> =>
  Object.fromEntries(documentOf(printed).checks.map((check: Check) => [check.name, check]))

/** In a user namespace in which no further one can be made, without any capability. */
function withoutNamespaces(args: string[]): Ran {
  const { home } = world()
  const script =
    'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all "$@"'
  const words = ['unshare', '-Ur', 'sh', '-c', script, 'sh', process.execPath, COMPOSE, ...args]
  const [program, ...rest] = asUser(words)
  const { status, stdout, stderr } = spawnSync(program, rest, {
    cwd: home,
    env: userEnvironment(home),
    encoding: 'utf8'
  })
  return { status, out: stdout, err: stderr }
}

const doctor = suite('compose doctor')

needing(
  doctor,
  'fuse',
  'squashfuse_ll'
)('says yes where compose run works by our launcher', () => {
  const { home, image } = world()
  const checks = checksOf(composeAs(home, ['--json', 'doctor']).out)
  for (const name of ['namespaces', 'fuse', 'overlay', 'capture', 'squashfuse'])
    assert.is(checks[name].works, true, checks[name].found)
  const found = composeAs(home, ['run', '--runtime', 'strata', '--writable', image, '--', 'id', '-u'])
  assert.is(found.status, 0, found.err)
})

needing(
  doctor,
  'unshare',
  'setpriv',
  'userns'
)('names user namespaces and the sysctl that allows them, as compose run does', () => {
  const { image } = world()
  const checks = checksOf(withoutNamespaces(['--json', 'doctor']).out)
  assert.is(checks.namespaces.works, false)
  assert.match(checks.namespaces.remedy ?? '', 'sysctl user.max_user_namespaces=')
  const found = withoutNamespaces(['--json', 'run', '--runtime', 'strata', image, '--', 'true'])
  assert.is(found.status, 50, found.err)
  const { code, facts, hint } = JSON.parse(found.out).error
  assert.equal([code, facts.feature, hint], ['LAUNCH_FAILED', 'namespaces', checks.namespaces.remedy])
  assert.match(withoutNamespaces(['run', image, '--', 'true']).err, /cannot be made here: .*: trying \S+/)
})

doctor('names what is not installed, and who has no subordinate ids', () => {
  const { home } = world()
  const checks = checksOf(composeAs(home, ['--json', 'doctor'], { PATH: '/nonexistent' }).out)
  assert.is(checks.squashfuse.works, false)
  assert.match(checks.squashfuse.remedy ?? '', 'squashfuse')
  assert.is(checks.runtimes.works, false)
  if (process.getuid?.() !== 0) return
  assert.match(checks.subuid.found, /no newuidmap/)
})

needing(
  doctor,
  'setfacl',
  'cp'
)('says of a folder what setfacl and cp --reflink say, and leaves nothing in it', () => {
  const { home } = world()
  for (const folder of [home, '/dev/shm', '/proc']) {
    const checks = checksOf(composeAs(home, ['--json', 'doctor', folder]).out)
    const tried = (script: string) =>
      spawnSync(asUser(['sh'])[0], [...asUser(['sh']).slice(1), '-c', script, 'sh', folder]).status === 0
    const name = `"$1"/.doctor-${process.pid}`
    const acls = tried(`: > ${name} && setfacl -m u:65533:r ${name}; status=$?; rm -f ${name}; exit $status`)
    assert.is(checks.acls.works, acls, `${folder}: ${checks.acls.found}`)
    const reflinks = tried(
      `echo > ${name} && cp --reflink=always ${name} ${name}2; status=$?; rm -f ${name} ${name}2; exit $status`
    )
    assert.is(checks.reflinks?.works ?? false, reflinks, folder)
  }
  const empty = join(home, 'empty')
  mkdirSync(empty)
  bash('[ "$(id -u)" != 0 ] || chown 1000:1000 "$1"', empty)
  composeAs(home, ['doctor', empty])
  assert.is(bash('ls -A "$1"', empty).toString(), '')
})

doctor('writes nowhere else if the owner of the folder exchanges what it makes there', async () => {
  const folder = join(world().home, 'exchanged')
  const victim = join(world().home, 'victim')
  mkdirSync(folder)
  writeFileSync(victim, 'as it was')
  const replaced = await whileReplacing(folder, { from: victim, to: victim }, async () => {
    for (let round = 0; round < 20; round++) {
      await examineHost([folder], process.env)
      assert.ok(readFileSync(victim, 'utf8') === 'as it was', `round ${round}`)
    }
  })
  assert.ok(replaced > 0)
})

/** As in a container that was started with any id. */
const NOBODY = 54_321

needing(
  doctor,
  'root',
  'setpriv',
  'userns'
)('users without an account are known by their number, and told what they lack', () => {
  const { home, store } = world()
  const own = join(dirname(home), 'of-nobody')
  bash('mkdir "$1"; chown "$2:$2" "$1"; chmod -R a+rX "$3"', own, String(NOBODY), store)
  const by = (args: string[], env: NodeJS.ProcessEnv): Ran => {
    const words = [
      `--reuid=${NOBODY}`,
      `--regid=${NOBODY}`,
      '--clear-groups',
      process.execPath,
      COMPOSE,
      ...args
    ]
    const { status, stdout, stderr } = spawnSync('setpriv', words, { cwd: own, env, encoding: 'utf8' })
    return { status, out: stdout, err: stderr }
  }
  const env = userEnvironment(own, { COMPOSE_STORE: join(own, 'store'), COMPOSE_PATH: store, TMPDIR: own })
  assert.match(checksOf(by(['--json', 'doctor'], env).out).subuid.found, /no range for 54321/)
  assert.is(by(['init', '--level', '1'], env).status, 0)
  const script = ['--', 'sh', '-c', 'echo x > /opt-x']
  const captured = by(['capture', 'app/x-1', '--from', 'base/small', '--owners', 'auto', ...script], env)
  assert.is(captured.status, 0, captured.err)
  const { HOME: _, ...homeless } = env
  const { status, err } = by(['avail'], { ...homeless, COMPOSE_STORE: undefined })
  assert.is(status, 1)
  assert.match(err, /HOME is not set, and this host has no account for user 54321\n.*export HOME=DIR/s)
})

doctor.run()
