import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Ajv from 'ajv/dist/2020.js'
import * as assert from 'uvu/assert'
import { parse } from 'yaml'
import { driverLibraries } from '../../compose/run/gpu-libraries.ts'
import { documentOf } from '../helpers/compose.ts'
import { type LaunchWorld, launchWorld } from '../helpers/launcher.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { composeAs } from '../helpers/runtimes.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'

/** Devices by CDI files that are made of nodes and files which every host has, and the site's settings. */

let made: LaunchWorld | undefined
const world = (): LaunchWorld => {
  made ??= launchWorld()
  return made
}

/** A driver: a library with the links that ldconfig makes, a program, a file of settings; and two CDI files. */
function cdi(): string {
  const folder = scratch()
  const driver = join(folder, 'driver')
  bash(
    `chmod 755 "$1"; mkdir -p "$2" "$1/cdi"; cd "$2"; echo library > libdrv.so.1.2; ln -s libdrv.so.1.2 libdrv.so.1
    echo '{}' > icd.json; printf '#!/bin/sh\\necho "smi $DRIVER"\\n' > smi; chmod 755 smi`,
    folder,
    driver
  )
  const node = { path: '/dev/null' }
  const mounts = [
    {
      hostPath: `${driver}/libdrv.so.1.2`,
      containerPath: '/usr/lib/drv/libdrv.so.1.2',
      options: ['ro', 'bind']
    },
    { hostPath: `${driver}/smi`, containerPath: '/usr/bin/smi', options: ['ro', 'nosuid', 'bind'] },
    { hostPath: `${driver}/gone`, containerPath: '/usr/bin/gone' }
  ]
  const hook = (...args: string[]) => ({ hookName: 'createContainer', path: '/usr/bin/cdi-hook', args })
  const spec = {
    cdiVersion: '0.6.0',
    kind: 'vendor.com/gpu',
    containerEdits: {
      env: ['DRIVER=1.2'],
      mounts,
      hooks: [
        hook('cdi-hook', 'update-ldcache', '--folder', '/usr/lib/drv'),
        hook('cdi-hook', 'create-symlinks', '--link', 'libdrv.so.1.2::/usr/lib/drv/libdrv.so'),
        hook('cdi-hook', 'chmod', '--mode', '755')
      ]
    },
    devices: [
      { name: '0', containerEdits: { deviceNodes: [node, { path: '/opt/node', hostPath: '/dev/zero' }] } },
      { name: '1', containerEdits: { deviceNodes: [node], env: ['ONE=x=y'] } },
      { name: 'all', containerEdits: { deviceNodes: [node], env: ['ALL=yes'] } }
    ]
  }
  writeFileSync(join(folder, 'cdi/gpu.json'), JSON.stringify(spec))
  writeFileSync(
    join(folder, 'cdi/net.yaml'),
    `cdiVersion: "0.5.0"\nkind: vendor.com/net\ndevices:\n  - name: eth\n    containerEdits:\n      mounts:\n` +
      `        - {hostPath: ${driver}/icd.json, containerPath: /etc/vendor/icd.json, options: [ro]}\n`
  )
  return join(folder, 'cdi')
}

const devices = suite('compose run: devices')

for (const [runtime, ...needs] of [
  ['strata', 'squashfuse_ll'],
  ['bwrap', 'bwrap', 'squashfuse']
])
  needing(
    devices,
    'fuse',
    ...needs
  )(`CDI devices bring their nodes, files and variables: ${runtime}`, () => {
    const { home, image } = world()
    const env = { COMPOSE_CDI_PATH: cdi() }
    const run = (flags: string[], script: string) =>
      composeAs(home, ['run', '--runtime', runtime, ...flags, image, '--', 'sh', '-c', script], env)
    const first = run(
      ['--device', 'vendor.com/gpu=0', '--env', 'LD_LIBRARY_PATH=/mine'],
      'smi; cat /usr/lib/drv/libdrv.so; cat "$' +
        '{LD_LIBRARY_PATH#*:}/libdrv.so.1"; test -c /opt/node && echo node; echo $LD_LIBRARY_PATH $ALL'
    )
    assert.is(first.out, 'smi 1.2\nlibrary\nlibrary\nnode\n/mine:/.singularity.d/libs\n', first.err)
    assert.match(first.err, /gone is not mounted: it is not on this host/)
    assert.match(first.err, /vendor\.com\/gpu=0: cdi-hook chmod is left out, because it needs root/)
    // The device that stands for all is taken, not each.
    const all = run(['--gpu'], 'echo "$ALL $ONE $DRIVER"; test -e /opt/node || echo none')
    assert.is(all.out, 'yes  1.2\nnone\n', all.err)
    const both = run(
      ['--device', 'vendor.com/gpu=1', '--device', 'vendor.com/net=eth'],
      'echo "$ONE"; cat /etc/vendor/icd.json; echo x > /etc/vendor/icd.json'
    )
    assert.is(both.out, 'x=y\n{}\n', both.err)
    assert.is.not(both.status, 0, 'it is read-only')
  })

devices('a device that the host lacks, and a CDI file that is wrong or not trusted, are errors', () => {
  const { home, image } = world()
  const folder = cdi()
  const fails = (status: number, name = 'vendor.com/gpu=7') => {
    const words = ['--json', 'run', '--device', name, image, '--', 'true']
    const found = composeAs(home, words, { COMPOSE_CDI_PATH: folder })
    assert.is(found.status, status, found.err)
    return documentOf(found.out).error
  }
  assert.match(fails(2).message, /wanted one of vendor\.com\/gpu=0, .*vendor\.com\/net=eth/)
  const file = join(folder, 'bad.yaml')
  writeFileSync(
    file,
    'kind: vendor.com/bad\ndevices:\n  - name: x\n    containerEdits:\n      mounts: [{hostPath: a}]\n'
  )
  assert.match(fails(51).message, /bad\.yaml:5:16: .*wanted a mount with absolute paths/)
  writeFileSync(file, 'kind: [')
  assert.match(fails(51).message, /bad\.yaml:\d+:\d+: /)
  writeFileSync(file, 'kind: vendor.com/bad\ndevices: []\n')
  assert.match(fails(2).message, /wanted one of/)
  chmodSync(file, 0o666)
  assert.match(fails(51).message, /can be written to by others/)
  // Not a file at all, one that fills memory, and what JavaScript finds in every object.
  bash('rm "$1"; mkdir "$1"', file)
  assert.match(fails(51).message, /bad\.yaml is not a regular file/)
  bash('rmdir "$1"; mkfifo "$1"; chmod 644 "$1"', file)
  assert.match(fails(51).message, /bad\.yaml is not a regular file/)
  bash('rm "$1"; truncate -s 3G "$1"; chmod 644 "$1"', file)
  assert.match(fails(51).message, /has 3221225472 bytes/)
  bash('rm "$1"', file)
  writeFileSync(
    file,
    '{"kind": "vendor.com/bad", "devices": [{"name": "x", "containerEdits": {"mounts": [{"hostPath": "/a", "containerPath": "/b", "type": {}}]}}]}'
  )
  assert.match(fails(51).message, /wanted a mount with absolute paths/)
})

needing(
  devices,
  'fuse',
  'squashfuse_ll'
)('no hook is run, and no path with .. or link leads a mount out of the tree', () => {
  const { home, image, folder: place } = world()
  const folder = scratch()
  const mount = (containerPath: string) => ({ hostPath: '/etc/hostname', containerPath })
  const hook = (...args: string[]) => ({ hookName: 'createContainer', path: '/bin/sh', args })
  const edits = {
    mounts: [mount(`/../../../..${place}/led`), mount('/../usr/lib/here')],
    hooks: [
      hook('sh', '-c', `touch ${home}/ran`),
      hook('x', 'create-symlinks', '--link', `here::/../../../..${place}/linked`, '--link', '::', '--link')
    ]
  }
  writeFileSync(
    join(folder, 'a.json'),
    JSON.stringify({ kind: 'vendor.com/net', devices: [{ name: 'a', containerEdits: edits }] })
  )
  bash('chmod 755 "$1"; chmod 644 "$1"/*', folder)
  const words = ['run', '--runtime', 'strata', '--contain', '--device', 'vendor.com/net=a', image, '--']
  const found = composeAs(home, [...words, 'sh', '-c', 'cat /usr/lib/here; echo end'], {
    COMPOSE_CDI_PATH: folder
  })
  assert.match(found.out, /end\n$/, found.err)
  assert.match(found.err, /sh -c is left out/)
  for (const name of [join(home, 'ran'), join(place, 'led'), join(place, 'linked')])
    assert.not.ok(existsSync(name), name)
})

devices(
  'without a CDI file, the libraries of a driver are those of this architecture that the loader lists',
  () => {
    const listing = `3 libs found in cache
\tlibcuda.so.1 (libc6) => /usr/lib/i386-linux-gnu/libcuda.so.1
\tlibcuda.so.1 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libcuda.so.1
\tlibcuda.so.1 (libc6,AArch64) => /usr/lib/aarch64-linux-gnu/libcuda.so.1
\tlibnvidia-ml.so.1 (libc6,x86-64, OS ABI: Linux 2.3.99) => /opt/driver/libnvidia-ml.so.1
\tlibnvidia-ml.so.1 (libc6,AArch64) => /opt/driver/arm/libnvidia-ml.so.1
\tlibcurl.so.4 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libcurl.so.4
\tlibcurl.so.4 (libc6,AArch64) => /usr/lib/aarch64-linux-gnu/libcurl.so.4
`
    const cuda = { x64: '/usr/lib/x86_64-linux-gnu', arm64: '/usr/lib/aarch64-linux-gnu' }[
      process.arch as 'x64'
    ]
    const ml = { x64: '/opt/driver', arm64: '/opt/driver/arm' }[process.arch as 'x64']
    assert.equal(
      driverLibraries(listing).map(({ source, target }) => [source, target]),
      [
        [`${cuda}/libcuda.so.1`, '/.singularity.d/libs/libcuda.so.1'],
        [`${ml}/libnvidia-ml.so.1`, '/.singularity.d/libs/libnvidia-ml.so.1']
      ]
    )
    // What this host's loader prints has the form that is read.
    const real = spawnSync('ldconfig', ['-p'], { encoding: 'utf8' }).stdout
    const renamed = real.replace(/\tlibc\.so\.6 /g, '\tlibcuda.so.1 ')
    assert.match(driverLibraries(renamed)[0].source, /\/libc\.so\.6$/)
  }
)

devices.run()

const settings = suite('compose run: run.yaml of a site')

const SETTINGS = `runtime: strata
environment:
  SITE: of the site
  BOTH: site
gpu: true
devices: [vendor.com/net=eth, other.com/absent=0]
`

needing(
  settings,
  'fuse',
  'squashfuse_ll'
)('gives variables and devices, which the user can change', () => {
  const { home, image } = world()
  const etc = scratch()
  chmodSync(etc, 0o755)
  writeFileSync(join(etc, 'run.yaml'), SETTINGS)
  const env = { COMPOSE_ETC: etc, COMPOSE_CDI_PATH: cdi() }
  const script = 'echo "$SITE $BOTH $ALL"; cat /etc/vendor/icd.json'
  const run = (...flags: string[]) => composeAs(home, ['run', ...flags, image, '--', 'sh', '-c', script], env)
  const found = run('--env', 'BOTH=user')
  assert.is(found.out, 'of the site user yes\n{}\n', found.err)
  assert.match(found.err, /other\.com\/absent=0 is not on this host/)
  assert.is(run('--no-gpu').out, 'of the site site \n')
  assert.is(run('--contain').out, 'of the site site \n')
  const checks = documentOf(composeAs(home, ['--json', 'doctor'], env).out).checks
  const found_ = (name: string) => checks.find((check: { name: string }) => check.name === name).found
  assert.is(found_('settings'), join(etc, 'run.yaml'))
  assert.match(found_('devices'), /vendor\.com\/gpu=0, .*vendor\.com\/net=eth/)
})

settings('faults are named with line and column, all at once, and files of others are not believed', () => {
  const { home, image } = world()
  const etc = scratch()
  chmodSync(etc, 0o755)
  const file = join(etc, 'run.yaml')
  const fault = (text: string) => {
    writeFileSync(file, text)
    const found = composeAs(home, ['--json', 'run', image, 'true'], { COMPOSE_ETC: etc })
    assert.is(found.status, 51, text)
    return documentOf(found.out).error
  }
  assert.match(fault('home: yes\n').message, /run\.yaml:1:7: home: wanted true or false/)
  assert.match(fault('runtime: docker\n').message, /run\.yaml:1:10: runtime: wanted one of strata/)
  assert.match(fault('environment:\n  A B: x\n').message, /run\.yaml:2:3: environment: wanted a mapping/)
  assert.match(fault('binds: [relative:also]\n').message, /run\.yaml:1:8: .*wanted an absolute path/)
  assert.match(fault('binds: [/etc:also]\n').message, /run\.yaml:1:8: .*also is not an absolute path/)
  assert.match(fault('binds: ["/etc:/a\\0b"]\n').message, /run\.yaml:1:8: binds: wanted a list/)
  // What JavaScript finds in every object.
  for (const name of ['constructor', '__proto__', 'toString'])
    assert.match(fault(`${name}: 1\n`).message, new RegExp(`run\\.yaml:1:1: ${name} is unknown`))
  assert.match(fault('- x\n').message, /run\.yaml:1:1: is not a mapping/)
  assert.equal(fault('binds: 1\nnope: 2\n').facts.faults.length, 2)
  assert.match(fault('home: true\nhome: false\n').message, /run\.yaml:2:1: /)
  chmodSync(file, 0o664)
  assert.match(fault('home: true\n').message, /can be written to by others/)
  const [check] = documentOf(composeAs(home, ['--json', 'doctor'], { COMPOSE_ETC: etc }).out).checks.filter(
    ({ name }: { name: string }) => name === 'settings'
  )
  assert.is(check.works, false)
  assert.match(check.remedy, /chmod go-w/)
})

needing(
  settings,
  'fuse',
  'squashfuse_ll'
)('a bind that this user cannot reach, or that names a variable which is not set, is left out', () => {
  const { home, image } = world()
  const etc = scratch()
  const [closed, open] = ['closed', 'open'].map(name => join(etc, name))
  bash('chmod 755 "$1"; mkdir -p "$2/inside" "$3"; echo open > "$3/file"; chmod 000 "$2"', etc, closed, open)
  writeFileSync(
    join(etc, 'run.yaml'),
    `binds:\n  - ${closed}/inside:/mnt/0\n  - $NOT_SET/etc:/mnt/1\n  - \${constructor}/etc:/mnt/2\n  - $OPEN:/mnt/3\n`
  )
  const script =
    'for place in /mnt/0 /mnt/1 /mnt/2 /mnt/3; do for name in $place/*; do echo $name; done; done'
  const env = { COMPOSE_ETC: etc, OPEN: open }
  const found = composeAs(home, ['run', '--runtime', 'strata', image, '--', 'sh', '-c', script], env)
  assert.is(found.out, '/mnt/0/*\n/mnt/1/*\n/mnt/2/*\n/mnt/3/file\n', found.err)
  const { checks } = documentOf(composeAs(home, ['--json', 'doctor'], env).out)
  assert.match(JSON.stringify(checks), /closed\/inside, \$NOT_SET\/etc:\/mnt\/1/)
})

const withSettings = (text: string, words: string[] = []) => {
  const { home, image } = world()
  const etc = scratch()
  chmodSync(etc, 0o755)
  writeFileSync(join(etc, 'run.yaml'), text)
  bash('ln -s loop "$1/loop"', etc)
  const run = ['--json', 'run', '--runtime', 'strata', ...words, image, '--', 'sh', '-c', 'echo ran']
  return { etc, home, ...composeAs(home, run, { COMPOSE_ETC: etc, LOOP: join(etc, 'loop') }) }
}

needing(
  settings,
  'fuse',
  'squashfuse_ll'
)(
  'a bind is left out with a note, whatever error its source gives, but never over a folder that others share',
  () => {
    const long = `/${'x'.repeat(300)}`
    const { status, err, etc } = withSettings(
      `binds:\n  - $LOOP:/mnt/0\n  - ${long}:/mnt/1\n  - $NOT_SET\n  - /tmp/none-${process.pid}\n`
    )
    assert.is(status, 0, err)
    assert.match(err, `${etc}/run.yaml, line 2: bind $LOOP:/mnt/0 is left out: ${etc}/loop: `)
    assert.match(err, /line 3: bind \/xxx/)
    assert.match(err, 'line 4: bind $NOT_SET is left out: NOT_SET is not set')
    assert.match(
      err,
      `line 5: bind /tmp/none-${process.pid} is left out: /tmp/none-${process.pid} does not exist`
    )
    for (const place of ['/tmp', '/tmp//', '/mnt/../tmp/mine', '/dev/shm', `${world().home}/private`]) {
      const text = `home: true\nbinds:\n  - $JOBTMP:${place}\n`
      const refused = withSettings(text)
      assert.is(refused.status, 51, place + refused.out + refused.err)
      assert.match(documentOf(refused.out).error.message, /run\.yaml:3:1: binds \$JOBTMP:.*JOBTMP is not set/)
      assert.is(withSettings(text, ['--contain']).status, 0)
    }
    const asked = ['--bind', `${world().home}:/tmp`]
    assert.is(withSettings('binds:\n  - $JOBTMP:/tmp\n', asked).status, 0)
  }
)

settings('a file in a folder that others can write to is not believed', () => {
  const { home, image } = world()
  const etc = scratch()
  writeFileSync(join(etc, 'run.yaml'), 'home: true\n')
  chmodSync(etc, 0o777)
  const found = composeAs(home, ['--json', 'run', image, 'true'], { COMPOSE_ETC: etc })
  const { message } = documentOf(found.out).error
  assert.is(message, `${etc} can be written to by others than its owner`)
})

settings(
  'a file is not believed where others could exchange a folder above it, or the file that it leads to',
  () => {
    const { home, image } = world()
    const site = scratch()
    bash('chmod 755 "$1"; mkdir -m 777 "$1/open"; mkdir -m 755 "$1/open/strata" "$1/strata"', site)
    const file = join(site, 'open/strata/run.yaml')
    writeFileSync(file, 'home: true\n')
    const words = ['--json', 'run', '--device', 'vendor.com/gpu=0', image, 'true']
    const refused = (named: string, env: Record<string, string>) => {
      const { status, out } = composeAs(home, words, env)
      assert.is(status, 51, out)
      const { message } = documentOf(out).error
      assert.is(message, `${named} lies below ${join(site, 'open')}, which others may write to`)
    }
    refused(file, { COMPOSE_ETC: join(site, 'open/strata') })
    bash('ln -s ../open/strata/run.yaml "$1/strata/run.yaml"', site)
    refused(join(site, 'strata/run.yaml'), { COMPOSE_ETC: join(site, 'strata') })
    bash('mv "$2"/*.json "$1/open/strata"', site, cdi())
    const [name] = readdirSync(join(site, 'open/strata'))
      .filter(name => name.endsWith('.json'))
      .sort()
    refused(join(site, 'open/strata', name), { COMPOSE_CDI_PATH: join(site, 'open/strata') })
    // Where everybody may write, but change only what is theirs.
    chmodSync(join(site, 'open'), 0o1777)
    const { checks } = documentOf(
      composeAs(home, ['--json', 'doctor'], { COMPOSE_ETC: join(site, 'strata') }).out
    )
    const found = checks.find(({ name }: { name: string }) => name === 'settings')
    assert.is(found.found, join(site, 'strata/run.yaml'), JSON.stringify(found))
  }
)

needing(settings, 'root')('a file that another user owns is not believed', () => {
  const { home, image } = world()
  const etc = scratch()
  chmodSync(etc, 0o755)
  writeFileSync(join(etc, 'run.yaml'), 'home: true\n')
  bash('chown 2001 "$1"', join(etc, 'run.yaml'))
  const found = composeAs(home, ['--json', 'run', image, 'true'], { COMPOSE_ETC: etc })
  assert.match(documentOf(found.out).error.message, /belongs to user 2001, wanted root or you/)
})

settings('its schema allows what is read, and refuses the rest', () => {
  const schema = JSON.parse(readFileSync(new URL('../../../spec/run.schema.json', import.meta.url), 'utf8'))
  const fits = new Ajv.default({ strict: true, strictTypes: false }).compile(schema)
  assert.ok(fits(parse(SETTINGS)))
  for (const wrong of ['home: 1', 'nope: true', 'environment: {A B: x}', 'runtime: docker', 'devices: x'])
    assert.not.ok(fits(parse(wrong)), wrong)
})

needing(
  settings,
  'fuse',
  'squashfuse_ll'
)('a job sees the folder of its process manager, and others do not', () => {
  const { home, image } = world()
  const folder = '/var/tmp/strata-job-test'
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'socket'), 'of the job\n')
  try {
    const run = (env: NodeJS.ProcessEnv) =>
      composeAs(home, ['run', '--runtime', 'strata', image, '--', 'cat', join(folder, 'socket')], env)
    const named = { PMIX_SERVER_TMPDIR: folder }
    assert.is(run({ ...named, PMIX_NAMESPACE: '1.0' }).out, 'of the job\n')
    assert.is(run(named).status, 1)
  } finally {
    bash('rm -r "$1"', folder)
  }
})

settings.run()
