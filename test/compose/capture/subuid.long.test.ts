import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { atAllSize, suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { composeIn, composeWithIds, startWithIds, world } from './capture-world.ts'

/** Captures in which files belong to subordinate ids for real, beside those that the supervisor keeps (spec/capture.md#owners). */

const subuid = suiteNeeding(
  'capture: subordinate ids',
  'root',
  'userns',
  'newuidmap',
  'setfacl',
  'setcap',
  'setpriv'
)

const SCRIPT = fileURLToPath(new URL('../../../../test/compose/capture/torture.sh', import.meta.url))

const captureBy = (owners: string, module: string, script: string, ...more: string[]) =>
  composeWithIds(world(), [
    ...['capture', module, '--owners', owners, '--bind', '/usr:/usr:ro', '--allow-privileged', ...more],
    ...['--', 'sh', '-c', script]
  ])

const layersOf = (module: string): string[] =>
  JSON.parse(composeIn(world(), ['--json', 'show', module]).out).layers

/** As GNU tar, getfacl and getfattr write it. */
function published(module: string): string[] {
  const out = join(world().home, module.replace('/', '-'))
  assert.is(composeIn(world(), ['export', module, out]).status, 0)
  const list = 'tar --numeric-owner -tvf "$1/layer.tar"; cat "$1/layer.acl"; cat "$1/layer.xattrs"'
  return bash(list, out).toString().split('\n').sort()
}

const OWNERS = `
mkdir /opt/o; cd /opt/o
touch a b c d; chown 5:7 a; chmod 4755 a; chown 65534:65536 b; chmod 000 b; ln a a.ln; ln -s x l; chown -h 9:8 l
mkdir m; chown 33:33 m; chmod 2775 m; touch m/in; mkdir -m 0 shut; chown 1:1 shut; chown 42 . ; cp -a a a.cp
setfacl -m u:42:rw,g:4:r c; mkdir n; setfacl -m d:u:42:rwx n; touch n/in; mkdir n/sub; chmod 1777 n; cp -a c c.cp
cp /usr/bin/true cap; chown 3:3 cap; setcap cap_net_raw+ep cap; setfattr -n user.note -v x d; mkfifo f; chown 2 f
setpriv --reuid 33 --regid 34 --groups 35 sh -c 'touch m/by; id > m/id; chgrp 35 m/by'; id > id; find . -perm -4000 | sort > setid
chown 4 /etc/hostname; chmod 604 /etc/hostname; chown 11:12 /root`

subuid('give the layer that the supervisor gives, and what the host sees belongs to the user again', () => {
  const sandbox = join(world().home, 'kept')
  bash('mkdir -m 700 "$1"; chown 1000:1000 "$1"', sandbox)
  const kept = ['--from', 'base/host', '--sandbox', join(sandbox, 'tree')]
  for (const [owners, more] of [
    ['supervised', ['--from', 'base/host']],
    ['auto', kept]
  ] as const) {
    const { status, err } = captureBy(owners, `app/${owners}-1`, OWNERS, ...more)
    assert.is(status, 0, err)
    assert.is(err, '')
  }
  assert.equal(published('app/auto-1'), published('app/supervised-1'))
  assert.equal(layersOf('app/auto-1'), layersOf('app/supervised-1'))
  const foreign = bash('find "$1" ! -user 1000 -o -perm /6000 -type f', sandbox).toString()
  assert.is(foreign, '')
  // Each mechanism goes on where the other one ended.
  const script =
    'stat -c %u:%g:%a /opt/o/a /opt/o/b; getcap /opt/o/cap; getfacl -cn /opt/o/c | grep 42; touch /opt/more'
  const [again, last] = ['supervised', 'subuid'].map(owners =>
    captureBy(owners, `app/${owners}-2`, script, '--sandbox', join(sandbox, 'tree'))
  )
  assert.is(again.status, 0, again.err)
  assert.match(again.out, /^5:7:4755\n65534:65536:0\n\S+ cap_net_raw=ep\nuser:42:rw-\n/)
  assert.is(last.out.split('\n').slice(0, 4).join(), again.out.split('\n').slice(0, 4).join(), last.err)
  assert.equal(layersOf('app/subuid-2'), layersOf('app/supervised-2'))
})

subuid('may lie in the upper half of all ids, as those of directory services do', () => {
  const words = [
    'capture',
    'app/high-1',
    '--owners',
    'subuid',
    '--from',
    'base/host',
    '--bind',
    '/usr:/usr:ro'
  ]
  const script = 'touch /opt/high; chown 5:7 /opt/high; stat -c %u:%g /opt/high'
  const { out, err } = composeWithIds(world(), [...words, '--', 'sh', '-c', script], 4_000_000_000)
  assert.match(out, /^5:7\n/, err)
})

/** What the command reads back or copies of devices, of owners beyond the range, and of `trusted.`. */
const UNSEEN = /opt\/t\/(kinds|listing|xattrs|null\.cp|tdst\/dev|tnum\/dev)$/

const atFull = atAllSize(subuid)

atFull('keep all of a torture but what the command copies of devices and large owners, and say so', () => {
  copyFileSync(SCRIPT, join(world().home, 'torture.sh'))
  const bind = ['--from', 'base/host', '--bind', `${world().home}/torture.sh:/torture.sh:ro`]
  const runs = ['supervised', 'subuid'].map(owners =>
    captureBy(owners, `app/${owners}-3`, 'mount -t tmpfs t /tmp; sh /torture.sh', ...bind)
  )
  for (const { status, err } of runs) assert.is(status, 0, err)
  assert.is(runs[0].err, '')
  assert.match(runs[1].err, /the command has set a device: the layer has it, but/)
  const [supervised, real] = ['supervised', 'subuid'].map(owners =>
    published(`app/${owners}-3`).filter(line => !UNSEEN.test(line))
  )
  assert.ok(supervised.length > 80)
  assert.equal(real, supervised)
  assert.ok(real.some(line => /^-.* 100000\/200000 .*a\.plain$/.test(line)))
})

subuid('are refused where other users can enter the folder of the tree, and left alone by auto', () => {
  const sandbox = ['--from', 'base/host', '--sandbox', join(world().home, 'open')]
  const refused = captureBy('subuid', 'app/open-1', 'true', ...sandbox)
  assert.is(refused.status, 50)
  assert.match(refused.err, /other users can enter [\s\S]*chmod 700/)
  const { status, out, err } = captureBy(
    'auto',
    'app/open-1',
    'touch /opt/x; mknod /opt/n c 1 3; stat -c %F /opt/n',
    ...sandbox
  )
  assert.is(status, 0, err)
  assert.match(out, /^character special file/)
  const missing = composeIn(world(), [
    'capture',
    'app/none-1',
    '--owners',
    'subuid',
    '--from',
    'base/host',
    '--',
    'true'
  ])
  assert.is(missing.status, 50)
  assert.match(missing.err, /subuid.*nothing there for[\s\S]*compose doctor/)
})

const LEAVES_PROGRAMS =
  'cd /shared; for u in 0 5; do cp /usr/bin/true $u; chown $u:$u $u; chmod 6755 $u; done'

subuid(
  'are refused with folders of the host that can be written to, and auto leaves no set-id file there',
  () => {
    const shared = join(world().home, 'shared')
    bash('mkdir "$1"; chown 1000:1000 "$1"', shared)
    const bound = ['--from', 'base/host', '--bind', `${shared}:/shared`]
    const refused = captureBy('subuid', 'app/shared-1', LEAVES_PROGRAMS, ...bound)
    assert.is(refused.status, 50)
    assert.match(
      refused.err,
      /leave set-id programs of yours in \S+\/shared [\s\S]*:\/shared:ro, or --owners supervised/
    )
    const { status, err } = captureBy('auto', 'app/shared-1', `${LEAVES_PROGRAMS}; touch /opt/x`, ...bound)
    assert.is(status, 0, err)
    assert.is(bash('cd "$1"; stat -c "%n %u %a" *', shared).toString(), '0 1000 755\n5 1000 755\n')
  }
)

subuid('are refused where a link leads to a tree that others can reach', () => {
  const [shut, elsewhere] = ['shut', 'elsewhere'].map(name => join(world().home, name))
  bash(
    'mkdir -m 700 "$1"; mkdir "$2"; ln -s "$2/tree" "$1/link"; chown -h 1000:1000 "$@" "$1/link"',
    shut,
    elsewhere
  )
  const made = captureBy(
    'auto',
    'app/linked-1',
    'touch /opt/x',
    '--from',
    'base/host',
    '--sandbox',
    join(elsewhere, 'tree')
  )
  assert.is(made.status, 0, made.err)
  const refused = captureBy('subuid', 'app/linked-2', 'touch /opt/y', '--sandbox', join(shut, 'link'))
  assert.is(refused.status, 50)
  assert.match(refused.err, /other users can enter \S+\/elsewhere, /)
})

subuid('a range with the id of an account is refused, and named with its line', () => {
  const words = ['capture', 'app/near-1', '--from', 'base/host', '--bind', '/usr:/usr:ro', '--owners']
  const { status, err } = composeWithIds(world(), [...words, 'subuid', '--', 'true'], 900)
  assert.is(status, 50)
  assert.match(err, /\/etc\/subuid, line 1: 1000:900:65536 has the id \d+ of \S+ in \/etc\/passwd/)
  const doctor = composeWithIds(world(), ['doctor'], 900)
  assert.match(doctor.out, /subgid, line 1: 1000:900:65536 has the id \d+ of \S+ in \/etc\/group/)
  const auto = composeWithIds(world(), [...words, 'auto', '--', 'touch', '/opt/x'], 900)
  assert.is(auto.status, 0, auto.err)
})

/** A capture that goes on, in whose tree another user's folder has the file x; and its processes. */
async function runningCapture() {
  const script =
    'mkdir -p /opt/deep; touch /opt/deep/x; chown -R 5:5 /opt/deep; chmod 700 /opt/deep; sleep 1000'
  const running = startWithIds(world(), [
    ...['capture', 'app/killed-1', '--owners', 'subuid', '--bind', '/usr:/usr:ro', '--from', 'base/host'],
    ...['--', 'sh', '-c', script]
  ])
  const ended = new Promise(resolve => running.once('exit', resolve))
  const work = () => readdirSync(world().home).find(name => name.startsWith('compose-capture-'))
  while (work() === undefined || !existsSync(join(world().home, work()!, 'tree/opt/deep/x')))
    await setTimeout(20)
  await setTimeout(200)
  const pattern = `strata-launch capture .*${work()}`
  const launchers = () =>
    spawnSync('pgrep', ['-f', pattern], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter(line => line !== '')
      .map(Number)
      .sort((a, b) => a - b)
  return { ended, launchers, pid: running.pid!, folder: join(world().home, work()!) }
}

for (const victim of ['supervisor', 'init'])
  atFull(`leave nothing after a kill -9 of ${victim}, while files belong to others`, async () => {
    const before = readdirSync(world().home)
    const { ended, launchers } = await runningCapture()
    process.kill(launchers()[victim === 'supervisor' ? 0 : 1], 'SIGKILL')
    await ended
    assert.equal(readdirSync(world().home), before)
    assert.equal(launchers(), [])
    assert.is.not(composeIn(world(), ['show', 'app/killed-1']).status, 0)
  })

atFull(
  'a kill -9 of compose and all that it started leaves a tree, which the next capture removes',
  async () => {
    const before = readdirSync(world().home)
    const { ended, launchers, pid, folder } = await runningCapture()
    const meanwhile = captureBy('subuid', 'app/beside-1', 'touch /opt/x', '--from', 'base/host')
    assert.is(meanwhile.status, 0, meanwhile.err)
    assert.ok(existsSync(folder), 'a running capture lost its tree')
    for (const each of [pid, ...launchers()]) process.kill(each, 'SIGKILL')
    await ended
    const { status } = spawnSync('setpriv', ['--reuid', '1000', '--clear-groups', 'rm', '-rf', folder])
    assert.is.not(status, 0, 'rm removed it')
    const next = captureBy('subuid', 'app/after-1', 'touch /opt/y', '--from', 'base/host')
    assert.is(next.status, 0, next.err)
    assert.equal(readdirSync(world().home), before)
  }
)

subuid.run()
