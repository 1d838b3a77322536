import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { documentOf } from '../../helpers/compose.ts'
import { LAUNCHER, processesWith } from '../../helpers/launcher.ts'
import { atAllSize, atCheckSize, needing, suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { userEnvironment } from '../../helpers/runtimes.ts'
import { capture, commandLine, composeIn, startIn, world } from './capture-world.ts'

/** `compose capture` as an ordinary user (spec/capture.md). */

/** Members of the module's layer, as GNU tar lists them. */
function members(module: string): string[] {
  const out = join(world().home, `out-${module.replaceAll('/', '-')}`)
  const { status, err } = composeIn(world(), ['export', module, out])
  assert.is(status, 0, err)
  return bash('tar -tf "$1"', join(out, 'layer.tar')).toString().trim().split('\n')
}

const leftOver = (): string[] => readdirSync(world().home).filter(name => name.startsWith('compose-capture-'))

const captured = suiteNeeding('capture', 'userns')
const long = atCheckSize(captured)
/** Tests that take too long for a check. */
const longest = atAllSize(captured)

captured('publishes what a command changed, and nothing else', () => {
  const script =
    'mkdir /opt/tool; echo x > /opt/tool/bin; rm /etc/hostname; touch /etc/passwd; echo root:x:0: > /etc/group'
  const { status, err } = capture(world(), [
    ...[
      'app/tool-1',
      '--from',
      'base/host',
      '--bind',
      '/etc:/mnt/a/b',
      '--bind',
      '/etc/passwd:/srv/file',
      '--'
    ],
    ...['sh', '-c', script]
  ])
  assert.is(status, 0, err)
  // Places for binds that the tree lacks are gone again.
  assert.equal(members('app/tool-1'), ['etc/.wh.hostname', 'etc/group', 'opt/tool/', 'opt/tool/bin'])
  const record = JSON.parse(composeIn(world(), ['--json', 'show', 'app/tool-1']).out)
  assert.equal(record.requires, ['base/host = 1'])
  assert.equal(record.origin, [{ kind: 'capture', recipe: `sh -c '${script}'` }])
  assert.equal(leftOver(), [])
})

long('ends as the command ends, and publishes nothing if it fails', () => {
  const end = (script: string) =>
    capture(world(), ['app/none-1', '--from', 'base/host', '--', 'sh', '-c', script]).status
  assert.is(end('touch /opt/x; exit 77'), 77)
  assert.is(end('kill -TERM $$'), null)
  const command = ['app/none-1', '--from', 'base/host', '--', 'no-such-program']
  const { status, err } = capture(world(), command)
  assert.is(status, 127)
  assert.match(err, /so app\/none-1 is not published\n/)
  assert.match(
    composeIn(world(), ['capture', ...command]).err,
    'so app/none-1 is not published; it saw no folder of this host: --bind .:/src --cwd /src'
  )
  assert.is(composeIn(world(), ['show', 'app/none-1']).status === 0, false)
  assert.equal(leftOver(), [])
})

long('shows the command a tree of its own: root, no other process, no network, no record', () => {
  writeFileSync(join(world().home, 'secret'), '')
  const script = [
    'id -u; id -un; hostname 2>/dev/null || cat /proc/sys/kernel/hostname; ls /; ls -A /.compose/sandbox',
    'ls /proc | grep -c "^[0-9]"; ls /sys/class/net; pwd; echo "$HOME $SECRET $GIVEN"'
  ].join('; ')
  const { status, out, err } = capture(
    world(),
    ['app/see-1', '--from', 'base/host', '--env', 'GIVEN=a b', '--', 'sh', '-c', `${script}; touch /opt/see`],
    { SECRET: 'of the user' }
  )
  assert.is(status, 0, err)
  assert.match(out, /^0\nroot\nlocalhost\n/)
  assert.match(out, /\nlo\n\/\n\/root {2}a b\n/)
  assert.not.match(out, /secret|record|metadata/)
})

long('starts from an image, by the lock in it', () => {
  const { home } = world()
  const [image, bare] = ['host.sqfs', 'bare.sqfs'].map(name => join(home, name))
  for (const words of [[image], ['--bare', bare]])
    assert.is(composeIn(world(), ['build', ...words, 'base/host']).status, 0)
  const script = 'mkdir /opt/odd; cd /opt/odd; echo 1 > "$(printf \'a\\377b\')"; chown 7:8 a*'
  const { status, err } = capture(world(), ['app/odd-1', '--from', image, '--', 'sh', '-ec', script])
  assert.is(status, 0, err)
  const { requires } = documentOf(composeIn(world(), ['--json', 'show', 'app/odd-1']).out)
  assert.match(JSON.stringify(requires), /base\/host/)
  const out = join(home, 'odd')
  assert.is(composeIn(world(), ['export', 'app/odd-1', out]).status, 0)
  assert.match(
    bash('tar --numeric-owner -tvf "$1"/layer.tar', out).toString(),
    / 7\/8 .* opt\/odd\/a\\377b\n/
  )
  const refused = capture(world(), ['app/odd-2', '--from', bare, '--', 'true'])
  assert.is(refused.status, 31, refused.err)
  assert.match(refused.err, /has no \/.compose folder/)
})

long('goes on in a sandbox that it has made, and replaces the module', () => {
  const sandbox = join(world().home, 'work')
  const first = capture(world(), [
    ...['app/step-1', '--from', 'base/host', '--sandbox', sandbox, '--'],
    ...['sh', '-c', 'echo 1 > /opt/one; chown 5:7 /opt/one; chmod 4755 /opt/one']
  ])
  assert.is(first.status, 0, first.err)
  const script = 'stat -c %u:%g:%a /opt/one; echo 2 > /opt/two'
  const second = capture(world(), [
    ...['app/step-1', '--sandbox', sandbox, '--replace', '--allow-privileged', '--', 'sh', '-c', script]
  ])
  assert.is(second.status, 0, second.err)
  assert.match(second.out, /^5:7:4755\n/)
  assert.equal(members('app/step-1'), ['opt/one', 'opt/two'])
  assert.ok(existsSync(join(sandbox, 'opt/two')))
})

longest('records the packages that were installed, of another version, and removed', () => {
  const sandbox = join(world().home, 'packages')
  const status = (...packages: [string, string, string?][]) =>
    packages
      .map(
        ([name, version, state = 'installed']) =>
          `Package: ${name}\nStatus: install ok ${state}\nArchitecture: all\nVersion: ${version}\nDescription: x\n y\n`
      )
      .join('\n')
  const install = (module: string, from: string, text: string, ...more: string[]) =>
    capture(world(), [
      ...[module, '--from', from, ...more, '--env', `STATUS=${text}`, '--'],
      ...['sh', '-c', 'mkdir -p /var/lib/dpkg; echo "$STATUS" > /var/lib/dpkg/status']
    ])
  const originOf = (module: string) =>
    JSON.parse(composeIn(world(), ['--json', 'show', module]).out).origin[0]
  const packagesOf = (module: string) => originOf(module).packages
  const removedOf = (module: string) => originOf(module).removed
  const first = install(
    'lib/first-1',
    'base/host',
    status(['a', '1'], ['b', '1'], ['c', '1', 'config-files'])
  )
  assert.is(first.status, 0, first.err)
  assert.equal(
    packagesOf('lib/first-1').map(
      ({ name, version }: { name: string; version: string }) => `${name} ${version}`
    ),
    ['a 1', 'b 1']
  )
  const text = status(['a', '1', 'config-files'], ['b', '2'], ['c', '1'])
  const second = install('lib/second-1', 'lib/first', text, '--sandbox', sandbox)
  assert.is(second.status, 0, second.err)
  const architecture = 'all'
  const wanted = [
    { name: 'b', version: '2', architecture, before: '1' },
    { name: 'c', version: '1', architecture }
  ]
  assert.equal(packagesOf('lib/second-1'), wanted)
  assert.equal(removedOf('lib/second-1'), [{ name: 'a', version: '1', architecture }])
  const { out } = composeIn(world(), ['inspect', '--packages', 'lib/second-1'])
  assert.is(
    out,
    ['b\t1 -> 2', 'c\t1', 'a\t1 -> removed'].map(line => `${line}\tall\tlib/second-1\n`).join('')
  )
  const again = composeIn(world(), [
    'capture',
    'lib/third-1',
    '--sandbox',
    sandbox,
    '--bind',
    '/usr',
    '--',
    'true'
  ])
  assert.is(again.status, 0, again.err)
  assert.equal(packagesOf('lib/third-1'), wanted)
})

const RPMS = `
cd "$1"; for version in 1 2; do for name in tool gone; do
  printf 'Name: %s\\nVersion: %s\\nRelease: 1\\nSummary: x\\nLicense: x\\nBuildArch: noarch\\n%%description\\nx\\n%%files\\n' \\
    "$name" "$version" > one.spec
  rpmbuild -bb --quiet --define "_topdir $PWD/top" --define "_rpmdir $PWD/rpms" one.spec > /dev/null 2>&1
done; done; chmod -R a+rX rpms`

atCheckSize(needing(captured, 'rpm', 'rpmbuild'))(
  'records packages of rpm that were installed, of another version, and removed',
  () => {
    bash(RPMS, world().home)
    const run = (module: string, from: string, script: string) => {
      const rpm = 'set -e; rpm() { command rpm --dbpath /var/lib/rpm --nodeps "$@"; }; cd /rpms/noarch;'
      const bind = ['--bind', `${world().home}/rpms:/rpms:ro`]
      const { status, err } = capture(world(), [
        module,
        '--from',
        from,
        ...bind,
        '--',
        'sh',
        '-c',
        `${rpm} ${script}`
      ])
      assert.is(status, 0, err)
      const { origin } = JSON.parse(composeIn(world(), ['--json', 'show', module]).out)
      return [origin[0].packages, origin[0].removed]
    }
    const architecture = 'noarch'
    const [one, two] = ['1-1', '2-1']
    assert.equal(run('lib/rpmone-1', 'base/host', 'rpm -i tool-1-*.rpm gone-1-*.rpm'), [
      ['gone', 'tool'].map(name => ({ name, version: one, architecture })),
      undefined
    ])
    assert.equal(run('lib/rpmtwo-1', 'lib/rpmone', 'rpm -U tool-2-*.rpm; rpm -e gone'), [
      [{ name: 'tool', version: two, architecture, before: one }],
      [{ name: 'gone', version: one, architecture }]
    ])
    assert.equal(run('lib/rpmthree-1', 'lib/rpmtwo', 'touch /opt/other'), [undefined, undefined])
    const { out } = composeIn(world(), ['inspect', '--provenance', 'lib/rpmtwo-1'])
    const { byproducts } = JSON.parse(out).predicate.runDetails
    assert.equal(byproducts[0].annotations.removed, [{ name: 'gone', version: one, architecture }])
  }
)

long('hides the record from the command, which can neither unmount nor replace it', () => {
  const script = [
    'umount /.compose/sandbox 2>/dev/null && echo unmounted; umount /.compose 2>/dev/null && echo unmounted',
    'mv /.compose /moved 2>/dev/null && echo moved; rm -rf /.compose/sandbox 2>/dev/null; ls -A /.compose/sandbox',
    'mkdir /.compose/sandbox/x 2>/dev/null && echo made; touch /opt/hidden; mount -t tmpfs x /mnt && echo may mount'
  ].join('\n')
  const { status, out, err } = capture(world(), [
    ...['app/hidden-1', '--from', 'base/host', '--', 'sh', '-c', `mkdir /mnt; ${script}`]
  ])
  assert.is(status, 0, err)
  assert.is(out.split('\n')[0], 'may mount')
})

/** Processes of a capture: compose, the supervisor, init and the command all name its tree or its marker. */
const processesOf = (sandbox: string): { pid: number; line: string }[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(pid => ({ pid: Number(pid), line: lineOf(pid) }))
    .filter(({ line }) => line.includes(sandbox))

function lineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')
  } catch {
    return '' // it has ended
  }
}

const OF_LAUNCHER = /strata-launch capture .*--metadata/

/** The supervisor starts init, which has the same command line. */
const VICTIMS = {
  compose: [/compose\.cjs capture/, 0],
  supervisor: [OF_LAUNCHER, 0],
  init: [OF_LAUNCHER, 1]
} as const

for (const [name, [victim, number]] of Object.entries(VICTIMS))
  long(`is whole or absent after a kill -9 of ${name}, and leaves nothing running`, async () => {
    const sandbox = join(world().home, `killed-${name}`)
    const running = startIn(world(), [
      ...['capture', 'app/killed-1', '--bind', '/usr', '--from', 'base/host', '--sandbox', sandbox, '--'],
      ...['sh', '-c', `touch /opt/begun; : ${sandbox}; setsid sleep 1000 & sleep 1000; touch /opt/end`]
    ])
    while (!existsSync(join(sandbox, 'opt/begun'))) await setTimeout(20)
    const { pid } = processesOf(sandbox)
      .filter(({ line }) => victim.test(line))
      .sort((a, b) => a.pid - b.pid)[number]
    process.kill(pid, 'SIGKILL')
    await once(running, 'exit')
    for (let i = 0; i < 500 && processesOf(sandbox).length > 0; i++) await setTimeout(20)
    assert.equal(processesOf(sandbox), [])
    assert.is.not(composeIn(world(), ['show', 'app/killed-1']).status, 0)
    const again = composeIn(world(), ['capture', 'app/killed-1', '--sandbox', sandbox, '--', 'true'])
    assert.match(again.err, /the owners in .* are not known/)
    assert.match(
      composeIn(world(), ['import', 'app/killed-1', sandbox]).err,
      /the owners in .* are not known/
    )
  })

captured('ends by the signal that ends it, and leaves nothing', async () => {
  const sandbox = join(world().home, 'stopped')
  const running = startIn(world(), [
    ...['capture', 'app/stopped-1', '--bind', '/usr', '--from', 'base/host', '--sandbox', sandbox, '--'],
    ...['sh', '-c', `touch /opt/begun; : ${sandbox}; setsid sleep 1000 & sleep 1000`]
  ])
  while (!existsSync(join(sandbox, 'opt/begun'))) await setTimeout(20)
  running.kill('SIGTERM')
  const [, signal] = await once(running, 'exit')
  assert.is(signal, 'SIGTERM')
  assert.equal(processesOf(sandbox), [])
  assert.is.not(composeIn(world(), ['show', 'app/stopped-1']).status, 0)
})

atCheckSize(needing(captured, 'script'))(
  'leaves nothing running, mounted or published after Ctrl-C on a terminal',
  async () => {
    const sandbox = join(world().home, 'interrupted')
    const script = `touch /opt/begun; : ${sandbox}; mkdir /m; mount -t tmpfs m /m; setsid sleep 1000 & sleep 1000; exit 0`
    const words = [
      '--bind',
      '/usr',
      '--from',
      'base/host',
      '--sandbox',
      sandbox,
      '--',
      'sh',
      '-c',
      `'${script}'`
    ]
    const line = commandLine(['capture', 'app/stopped-2', ...words]).join(' ')
    const terminal = spawn('script', ['-qefc', line, '/dev/null'], {
      cwd: world().home,
      env: userEnvironment(world().home, { COMPOSE_STORE: world().store, TMPDIR: world().home }),
      stdio: ['pipe', 'ignore', 'ignore']
    })
    while (!existsSync(join(sandbox, 'opt/begun'))) await setTimeout(20)
    await setTimeout(50)
    terminal.stdin.write('\x03')
    await once(terminal, 'exit')
    for (let i = 0; i < 500 && processesOf(sandbox).length > 0; i++) await setTimeout(20)
    assert.equal(processesOf(sandbox), [])
    assert.not.match(readFileSync('/proc/self/mounts', 'latin1'), sandbox)
    assert.is.not(composeIn(world(), ['show', 'app/stopped-2']).status, 0)
  }
)

for (const script of ['sleep 1000', 'trap "exit 7" INT; sleep 1000'])
  needing(captured, 'script')(`ends a build by Ctrl-C with 130, in a step that runs ${script}`, async () => {
    const definition = join(world().home, 'wait.def')
    const begun = join(world().home, 'begun')
    const before = leftOver()
    rmSync(begun, { force: true })
    const body = `    touch /mnt/begun\n    ${script}\n`
    writeFileSync(definition, `Bootstrap: compose\nFrom: base/host\n\n%post\n${body}`)
    const binds = ['--bind', '/usr', '--bind', `${world().home}:/mnt`]
    const line = commandLine(['build', 'out.sqfs', definition, ...binds]).join(' ')
    const terminal = spawn('script', ['-qefc', line, '/dev/null'], {
      cwd: world().home,
      env: userEnvironment(world().home, { COMPOSE_STORE: world().store, TMPDIR: world().home }),
      stdio: ['pipe', 'ignore', 'ignore']
    })
    while (!existsSync(begun)) await setTimeout(20)
    await setTimeout(50)
    terminal.stdin.write('\x03')
    assert.is((await once(terminal, 'exit'))[0], 130)
    assert.equal(leftOver(), before)
    assert.not(existsSync(join(world().home, 'out.sqfs')))
  })

long('says what is missing where the kernel lets nobody supervise, as in another capture', () => {
  const folder = dirname(LAUNCHER)
  const script = `${LAUNCHER} check; touch /opt/x`
  const { status, out, err } = capture(world(), [
    ...['app/inner-1', '--from', 'base/host', '--bind', `${folder}:${folder}`, '--', 'sh', '-c', script]
  ])
  assert.is(status, 0, err)
  const [name, fault, remedy] = out.split('\0').slice(9)
  assert.is(name, 'capture')
  assert.match(fault, /the owners that a command sets cannot be recorded: .*: Device or resource busy/)
  assert.match(remedy, /outside of the other supervisor/)
})

longest('keeps what 64 processes do at the same time', () => {
  const script = [
    'mkdir /opt/p; for i in $(seq 100 163); do (for j in $(seq 1 8); do f=/opt/p/$i-$j',
    'echo x > $f.new; chown $i:$j $f.new; chmod 4750 $f.new; mv $f.new $f; rm -f $f.gone; done) & done; wait'
  ].join('\n')
  const { status, err } = capture(world(), [
    ...['app/many-1', '--from', 'base/host', '--allow-privileged', '--', 'sh', '-c', script]
  ])
  assert.is(status, 0, err)
  const out = join(world().home, 'out-many')
  assert.is(composeIn(world(), ['export', 'app/many-1', out]).status, 0)
  const lines = bash('tar --numeric-owner -tvf "$1" | grep opt/p/.', join(out, 'layer.tar')).toString().trim()
  const found = lines.split('\n').map(line => line.split(/ +/))
  const wanted = Array.from({ length: 64 }, (_, i) =>
    Array.from({ length: 8 }, (_, j) => `-rwsr-x--- ${100 + i}/${j + 1} opt/p/${100 + i}-${j + 1}`)
  )
  assert.equal(
    found.map(([mode, owner, , , , name]) => `${mode} ${owner} ${name}`).sort(),
    wanted.flat().sort()
  )
})

atAllSize(needing(captured, 'root'))(
  'publishes nothing if the disk is full when owners are written down',
  () => {
    const disk = join(world().folder, 'disk')
    bash('mkdir "$1"; mount -t tmpfs -o size=16m,mode=1777 disk "$1"', disk)
    try {
      const script =
        'for i in $(seq 500); do : > /opt/$i; chown 5:7 /opt/$i; done; cat /dev/zero > /fill; for i in $(seq 500); do : > /opt/x$i; done; true'
      const { status, err } = capture(world(), [
        ...['app/full-1', '--from', 'base/host', '--work-dir', disk, '--', 'sh', '-c', script]
      ])
      assert.is(status, 50, err)
      assert.match(err, /No space left on device[\s\S]*free space on the disk/)
      assert.equal(readdirSync(disk), [])
    } finally {
      bash('umount "$1"', disk)
    }
    assert.is.not(composeIn(world(), ['show', 'app/full-1']).status, 0)
  }
)

long('leaves no process of a command that went into the background', () => {
  const marker = `MARKER=${process.pid}`
  const { status, err } = capture(world(), [
    ...['app/daemon-1', '--from', 'base/host', '--env', marker, '--'],
    ...['sh', '-c', 'touch /opt/daemon; setsid sleep 1000 >/dev/null 2>&1 & exit 0']
  ])
  assert.is(status, 0, err)
  assert.equal(
    processesWith(marker).map(({ command }) => command),
    []
  )
})

captured.run()
