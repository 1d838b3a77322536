import { once } from 'node:events'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import * as assert from 'uvu/assert'
import { compose, composed, type Ran } from '../../helpers/compose.ts'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { suite } from '../../helpers/suite.ts'
import { type CaptureWorld, captureWorld, composeIn, startIn } from './capture-world.ts'

/** What a run with --overlay has kept becomes a layer: compared with what the program itself saw in the end. */

const NEEDS = ['fuse', 'squashfuse_ll', 'tar', 'setfacl']

let made: (CaptureWorld & { image: string }) | undefined

function world() {
  if (made !== undefined) return made
  const base = captureWorld()
  const app = join(base.folder, 'app')
  bash(
    `mkdir -p "$1"/opt/{app/{d,gone,again},other}; cd "$1/opt"; echo 1 > app/file; echo 2 > app/d/touched; echo 3 > app/d/kept
    echo 4 > app/gone/x; echo 5 > app/again/old; echo 6 > app/again/same; echo 7 > app/hard; ln app/hard app/hard2
    ln -s file app/link; echo 8 > app/mine; echo 9 > app/list; setfacl -m u:4242:r app/list; chmod 2755 app/d; chmod 640 app/mine
    find . -exec touch -h -d @1600000000 {} +
    tar --numeric-owner --owner=0 --group=0 --acls -cf "$2" -C "$1" .`,
    app,
    `${app}.tar`
  )
  bash('chmod a+r "$1"', `${app}.tar`)
  const image = join(base.home, 'app.sqfs')
  ran(composeIn(base, ['import', 'app/app-1', `${app}.tar`, '--allow-privileged']))
  ran(composeIn(base, ['build', image, 'base/host', 'app/app']))
  made = { ...base, image }
  return made
}

function ran(found: Ran): Ran {
  assert.is(found.status, 0, found.err)
  return found
}

function run(folder: string, script: string): string {
  const { image, ...base } = world()
  const words = [
    'run',
    '--runtime',
    'strata',
    '--bind',
    '/usr',
    '--overlay',
    folder,
    image,
    '--',
    'sh',
    '-c',
    script
  ]
  return ran(composeIn(base, words)).out
}

const newFolder = (name: string): string => {
  const folder = join(world().home, name)
  mkdirSync(folder)
  bash('[ "$(id -u)" != 0 ] || chown 1000:1000 "$1"', folder)
  return folder
}

/** The layer, as GNU tar lists its merged-free form: whiteouts show as names. */
const layerOf = (module: string): string[] => {
  const out = join(world().home, `${module.replace('/', '-')}`)
  ran(composeIn(world(), ['export', module, out]))
  return bash('tar --numeric-owner -tvf "$1"/layer.tar', out)
    .toString()
    .trim()
    .split('\n')
    .map(line => {
      const [mode, owner, , , , ...path] = line.split(/\s+/)
      return `${mode} ${owner} ${path.join(' ')}`
    })
}

const overlay = suite('capture: the changes that a run has kept')

const CHANGES = `set -e; cd /opt/app
echo changed > file; touch d/touched; cat d/kept > /dev/null; : >> d/kept; rm -r gone; rm -r again; mkdir again; echo 6 > again/same
echo more >> hard; ln -sf d link; chmod 700 mine; mkdir new; echo n > new/n; ln new/n new/m; mkfifo new/pipe; ln -s n new/l
chmod 751 new; echo listed > list
find . -type f -exec sh -c 'printf "%s %s\\n" "$1" "$(cat "$1")"' _ {} \\; | sort`

needing(overlay, ...NEEDS)('are a layer with stored owners, whiteouts and no mark of the overlay', () => {
  const folder = newFolder('changes')
  const seen = run(folder, CHANGES)
  ran(composeIn(world(), ['capture', 'app/changed-1', '--from', world().image, '--overlay', folder]))
  const layer = layerOf('app/changed-1')
  const of = (name: string) => layer.find(line => line.includes(` ${name}`) || line.includes(` ./${name}`))
  assert.match(of('opt/app/file')!, /^-rw-r--r-- 0\/0 /)
  assert.match(of('opt/app/list')!, /^-rw-r--r-- 0\/0 /)
  assert.match(of('opt/app/mine')!, /^-rwx.* 0\/0 /)
  assert.match(of('opt/app/new/n')!, /^[-h]rw-r--r-- 0\/0 /)
  assert.match(of('opt/app/new/')!, /^drwxr-x--x 0\/0 /)
  assert.match(of('opt/app/new/pipe')!, /^prw/)
  assert.ok(
    layer.some(line => /opt\/app\/new\/n link to .*new\/m$|new\/m link to .*new\/n$|new\/n$/.test(line))
  )
  assert.match(of('opt/app/.wh.gone')!, /^-/)
  assert.match(of('opt/app/again/.wh.old')!, /^-/)
  assert.not.ok(of('opt/app/d/kept'), 'copied up, and as it was')
  assert.equal(
    layer.filter(line => /\.wh\.\.wh|overlay|usr|home|\.compose/.test(line)),
    []
  )
  // In an image with the new module, a program sees what the first one saw.
  const image = join(world().home, 'changed.sqfs')
  ran(composeIn(world(), ['build', image, 'base/host', 'app/app', 'app/changed']))
  const script = CHANGES.slice(CHANGES.indexOf('find'))
  const words = [
    'run',
    '--runtime',
    'strata',
    '--bind',
    '/usr',
    '--cwd',
    '/opt/app',
    image,
    '--',
    'sh',
    '-c',
    script
  ]
  assert.is(ran(composeIn(world(), words)).out, seen)
  const acls = ['run', '--runtime', 'strata', '--bind', '/usr', image, '--', 'cat', '/.compose/acl']
  const shown = ran(composeIn(world(), acls)).out
  assert.match(shown, /file: \.\/opt\/app\/list\n(.+\n)*user:4242:r--/, 'the ACL of a changed file stays')
})

needing(overlay, ...NEEDS)(
  'keep the time of a file to the nanosecond, where only its mode was changed',
  () => {
    const folder = newFolder('exact-times')
    const exact = join(world().folder, 'exact')
    bash(
      `mkdir -p "$1/opt/e"; echo 1 > "$1/opt/e/f"
    touch -d @1600000000.123456789 "$1/opt/e/f" "$1/opt/e"
    tar --format=posix --numeric-owner --owner=0 --group=0 -cf "$1.tar" -C "$1" .; chmod a+r "$1.tar"`,
      exact
    )
    ran(composeIn(world(), ['import', 'app/exact-1', `${exact}.tar`]))
    const target = ['base/host', 'app/exact']
    const words = ['run', '--runtime', 'strata', '--bind', '/usr', '--overlay', folder, ...target]
    ran(composeIn(world(), [...words, '--', 'sh', '-ec', 'chmod 600 /opt/e/f']))
    const from = target.flatMap(name => ['--from', name])
    ran(composeIn(world(), ['capture', 'app/modes-1', ...from, '--overlay', folder]))
    const out = join(world().home, 'modes')
    ran(composeIn(world(), ['export', 'app/modes-1', out]))
    const list = bash('TZ=UTC tar --full-time -tvf "$1"/layer.tar', out).toString()
    assert.match(list, /^-rw------- .* 2020-09-13 12:26:40\.123456789 opt\/e\/f$/m)
  }
)

needing(
  overlay,
  ...NEEDS,
  'root'
)('of root keep set-id bits where the owner was changed as well', () => {
  const { folder, base } = world()
  const [store, changes] = [join(folder, 'store-of-root'), join(folder, 'changes-of-root')]
  const env = { XDG_CACHE_HOME: join(folder, 'cache-of-root') }
  mkdirSync(changes)
  bash('mkdir "$1"; echo x > "$1/tool"; chmod 4755 "$1/tool"', join(folder, 'set-id'))
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/host-1', base, '--kind', 'base'])
  composed(store, ['import', 'app/tool-1', join(folder, 'set-id'), '--allow-privileged'])
  const from = ['base/host', 'app/tool']
  const script = 'chown 5 /tool; chmod 4755 /tool'
  const words = ['run', '--runtime', 'strata', '--bind', '/usr', '--overlay', changes, ...from]
  ran(compose(store, [...words, '--', 'sh', '-c', script], { env }))
  const capturing = [
    'capture',
    'app/given-1',
    ...from.flatMap(name => ['--from', name]),
    '--overlay',
    changes
  ]
  composed(store, [...capturing, '--allow-privileged'], { env })
  composed(store, ['export', 'app/given-1', join(folder, 'given')])
  const list = bash('tar --numeric-owner -tvf "$1/layer.tar"', join(folder, 'given')).toString()
  assert.match(list, /^-rwsr-xr-x 5\/0 .* tool$/m)
})

needing(overlay, ...NEEDS)('without a change are no module, and neither are places of binds', () => {
  const folder = newFolder('nothing')
  run(folder, 'cat /opt/app/file; : >> /opt/app/file')
  const found = composeIn(world(), ['capture', 'app/none-1', '--from', world().image, '--overlay', folder])
  assert.is(found.status, 2)
  assert.match(found.err, /has no changes that a module could hold/)
})

needing(overlay, ...NEEDS)('work on modules, whose image compose run keeps', () => {
  const folder = newFolder('of-modules')
  const target = ['base/host', 'app/app']
  const words = ['run', '--runtime', 'strata', '--bind', '/usr', '--overlay', folder, ...target]
  ran(composeIn(world(), [...words, '--', 'sh', '-c', 'echo x > /opt/other/x']))
  const from = target.flatMap(name => ['--from', name])
  ran(composeIn(world(), ['capture', 'app/of-modules-1', ...from, '--overlay', folder]))
  assert.ok(layerOf('app/of-modules-1').some(line => /0\/0 .*opt\/other\/x$/.test(line)))
})

needing(overlay, ...NEEDS)('are refused while a program still runs there', async () => {
  const folder = newFolder('busy')
  const words = ['run', '--runtime', 'strata', '--bind', '/usr', '--overlay', folder, world().image]
  const script = 'echo x > /opt/other/x; echo there; cat'
  const running = startIn(world(), [...words, '--', 'sh', '-c', script], ['pipe', 'pipe', 'ignore'])
  await once(running.stdout as Readable, 'data')
  const capture = ['capture', 'app/busy-1', '--from', world().image, '--overlay', folder]
  const refused = composeIn(world(), capture)
  assert.is(refused.status, 2)
  assert.match(refused.err, /a program still runs in it/)
  running.stdin?.end()
  await once(running, 'close')
  ran(composeIn(world(), capture))
  assert.ok(layerOf('app/busy-1').some(line => line.endsWith('opt/other/x')))
})

needing(overlay, ...NEEDS)(
  'are refused where the folder is none of the user’s, or a command is named as well',
  () => {
    const folder = newFolder('wrong')
    const fails = (words: string[], status: number) => {
      const found = composeIn(world(), [
        'capture',
        'app/no-1',
        '--from',
        world().image,
        '--overlay',
        folder,
        ...words
      ])
      assert.is(found.status, status, found.err)
      return found.err
    }
    assert.match(fails([], 2), /is not a folder in which compose run has kept changes/)
    symlinkSync('/etc', join(folder, 'upper'))
    assert.match(fails([], 2), /is not a folder in which compose run has kept changes/)
    assert.match(fails(['--', 'true'], 2), /takes neither a command nor --sandbox/)
    if (process.getuid?.() !== 0) return
    bash('rm "$1/upper"; mkdir "$1/upper"; chown 2001 "$1/upper"', folder)
    assert.match(fails([], 2), /user 2001 has made its changes/)
  }
)

atAllSize(needing(overlay, ...NEEDS))(
  'keep the licence and access of the image, whatever the program wrote into /.compose',
  () => {
    const home = world().home
    const licensed = join(home, 'licensed')
    bash(
      'mkdir -p "$1"/opt/lic; echo l > "$1"/opt/lic/f; [ "$(id -u)" != 0 ] || chown -R 1000:1000 "$1"',
      licensed
    )
    ran(composeIn(world(), ['import', 'app/lic-1', licensed, '--no-redistribute']))
    const image = join(home, 'lic.sqfs')
    ran(composeIn(world(), ['build', image, 'base/host', 'app/lic']))
    const open = join(home, 'open')
    ran(composeIn(world(), ['build', '--sandbox', open, 'base/host']))
    const folder = newFolder('forged')
    const script =
      'mkdir -p /.compose/sandbox; cp -a /mnt/.compose/sandbox/. /.compose/sandbox/; cp /opt/lic/f /opt/copied'
    const binds = ['--bind', '/usr', '--bind', `${open}:/mnt`]
    ran(
      composeIn(world(), [
        ...['run', '--runtime', 'strata', ...binds, '--overlay', folder, image, '--', 'sh', '-ec', script]
      ])
    )
    assert.is(bash('ls "$1"/upper/.compose/sandbox/record | wc -l', folder).toString().trim(), '1')
    const { err } = ran(composeIn(world(), ['capture', 'app/taken-1', '--from', image, '--overlay', folder]))
    assert.match(err, /changes below \/\.compose are left out/)
    const record = JSON.parse(ran(composeIn(world(), ['--json', 'show', 'app/taken-1'])).out)
    assert.is(record.redistributable, false)
  }
)

overlay.run()
