import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { atAllSize, needing, suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { composed } from '../../helpers/warm-compose.ts'
import { composeIn, define, world } from '../capture/capture-world.ts'

/** Definition files, built by an ordinary user (spec/definitions.md). */

const importing = (module: string, file: string, ...more: string[]) =>
  composeIn(world(), ['import', module, file, '--bind', '/usr', '--no-network', ...more])

const imported = (module: string, file: string, ...more: string[]): string => {
  const { status, out, err } = importing(module, file, ...more)
  assert.is(status, 0, err)
  return out + err
}

// biome-ignore lint/suspicious/noExplicitAny: the test looks into a document
const shown = (module: string): any => JSON.parse(composeIn(world(), ['--json', 'show', module]).out)

function listed(module: string): string[] {
  const out = join(world().home, `out-${module.replaceAll('/', '-')}`)
  assert.is(composeIn(world(), ['export', module, out]).status, 0)
  return bash('for each in "$1"/*.tar; do tar --numeric-owner -tvf "$each"; done', out)
    .toString()
    .trim()
    .split('\n')
    .map(line => line.replace(/\s+/g, ' ').split(' '))
    .map(([mode, owner, , , , ...name]) => `${mode} ${owner} ${name.join(' ')}`)
    .filter(line => !/ (\.\/|\.singularity\.d\/.*)$/.test(line))
}

const leftOver = (): string[] => readdirSync(world().home).filter(name => name.startsWith('compose-capture-'))

const definition = suiteNeeding('definition', 'userns', 'getfacl')
/** Tests that take too long for a check. */
const longest = atAllSize(definition)

definition('variables that %post writes are read up to 1 MiB', () => {
  const file = define(
    'endless.def',
    'Bootstrap: compose\nFrom: base/host\n\n%post\n  truncate -s 3G "$APPTAINER_ENVIRONMENT"\n'
  )
  const { status, err } = importing('made/endless-1', file)
  assert.is.not(status, 0)
  assert.match(err, /which %post wrote, has 3221225472 bytes, wanted at most 1048576/)
  assert.match(err, /LIMIT_EXCEEDED/)
  assert.equal(leftOver(), [])
})

const WHOLE = `Bootstrap: compose
From: base/host
Stage: make

%post
  mkdir -p /opt/tool; echo 'echo tool "$@"' > /opt/tool/run; chmod 755 /opt/tool/run; ln -s run /opt/tool/link

Bootstrap: compose
From: base/host

%arguments
  VERSION=1.0
%files from make
  /opt/tool /opt/
%files
  dat/*.dat "/opt/with blank/"
%post -e
  chown games:mail /opt/tool/run; test ! -e /opt/none
  echo "Extra yes" >> $APPTAINER_LABELS; echo 'export MORE=1' >> $SINGULARITY_ENVIRONMENT
%environment
  export TOOL=/opt/tool
%labels
  Version {{ VERSION }}
  Author some body
%help
  How to use it
%runscript
  exec sh /opt/tool/run "$@"
%test
  test "$TOOL$MORE" = /opt/tool1
%appinstall demo
  echo "$SCIF_APPNAME" > here
%apprun demo
  cat here
`

definition('becomes a module with its files, owners and settings', () => {
  mkdirSync(join(world().home, 'dat'), { recursive: true })
  writeFileSync(join(world().home, 'dat/a.dat'), 'a')
  writeFileSync(join(world().home, 'dat/b.txt'), 'b')
  const file = define('whole.def', WHOLE)
  assert.match(
    imported('app/whole-1', file, '--build-arg', 'VERSION=2', '--build-arg', 'X=1'),
    /X is not used/
  )
  const record = shown('app/whole-1')
  assert.equal(record.requires, ['base/host = 1'])
  assert.equal(record.labels, { Author: 'some body', Extra: 'yes', Version: '2' })
  assert.equal(
    record.environment.map(({ name, value }: { name: string; value: string }) => `${name}=${value}`),
    ['TOOL=/opt/tool', 'MORE=1']
  )
  assert.is(record.help, 'How to use it\n')
  assert.is(record.runscript, '#!/bin/sh\n\nexec sh /opt/tool/run "$@"\n')
  assert.is(record.origin[0].recipe, `# --build-arg VERSION=2\n# --build-arg X=1\n${WHOLE}`)
  const lines = listed('app/whole-1')
  for (const line of [
    '-rwxr-xr-x 5/8 opt/tool/run',
    'lrwxrwxrwx 0/0 opt/tool/link -> run',
    'drwxr-xr-x 0/0 opt/with blank/',
    '-rw-r--r-- 0/0 opt/with blank/a.dat',
    '-rw-r--r-- 0/0 scif/apps/demo/here',
    '-rwxr-xr-x 0/0 scif/apps/demo/scif/runscript'
  ])
    assert.ok(lines.includes(line), `${line} in\n${lines.join('\n')}`)
  assert.not.ok(lines.some(line => line.includes('b.txt') || line.includes('script ')))
  assert.equal(leftOver(), [])
})

definition('gives the same layer twice', () => {
  const file = define(
    'again.def',
    'Bootstrap: compose\nFrom: base/host\n%post\ndate > /var-log; rm /var-log; touch /opt/x\n'
  )
  imported('app/again-1', file)
  imported('app/again-2', file)
  const layers = (module: string) => shown(module).layers
  assert.equal(layers('app/again-2'), layers('app/again-1'))
})

definition('becomes an image that runs', () => {
  const file = define('whole.def', WHOLE)
  const image = join(world().home, 'whole.sqfs')
  const { status, err } = composeIn(world(), ['build', image, file, '--bind', '/usr', '--no-network'])
  assert.is(status, 0, err)
  const ran = composeIn(world(), ['run', image, '--bind', '/usr', '--', 'sh', '-c', 'sh $TOOL/run $MORE'])
  assert.is(ran.out, 'tool 1\n', ran.err)
})

longest('starts from an image of others, or from nothing, and takes over its settings', () => {
  const base = define('base.def', WHOLE)
  const image = join(world().home, 'base.sqfs')
  composeIn(world(), ['build', image, base, '--bind', '/usr', '--no-network'])
  imported('app/local-1', define('local.def', `Bootstrap: localimage\nFrom: ${image}\n%labels\nB 2\n`))
  const { requires, labels, environment } = shown('app/local-1')
  assert.equal([requires, labels.Author, labels.B], [[], 'some body', '2'])
  assert.ok(environment.some(({ name }: { name: string }) => name === 'TOOL'))
  writeFileSync(join(world().home, 'one'), '1')
  imported('app/scratch-1', define('scratch.def', 'Bootstrap: scratch\n%files\none /opt/\n'))
  assert.equal(listed('app/scratch-1'), ['drwxr-xr-x 0/0 opt/', '-rw-r--r-- 0/0 opt/one'])
})

definition('that fails publishes nothing, leaves nothing, and says where', () => {
  const HEAD = 'Bootstrap: compose\nFrom: base/host\n'
  for (const [text, status, message] of [
    ['%post\ntrue\n%post\nexit 7\n', 53, /%post of .*x\.def, line 3, ended with status 7/],
    ['%test\nfalse\n', 53, /%test of .*, line 3, ended with status 1/],
    ['%files\n/no/such/file /x\n', 52, /line 4: \/no\/such\/file cannot be copied/],
    ['%files\nnone* /x\n', 52, /line 4: none\* cannot be copied to \/x: no file has such a name/],
    ['%files from x\na\n', 52, /line 3: there is no stage x above/],
    ['%labels\na b\n=x y\n', 52, /line 3: %labels: .*is not a label key/],
    ['%help\n\x02\n', 52, /line 4: character 1 of the line is U\+0002/],
    ['%setup\ntouch /tmp/x\n', 52, /line 3: %setup runs on this host/],
    ['%post\necho {{ A }}\n', 52, /line 4: \{\{ A \}\} has no value/]
  ] as const) {
    const ran = importing('app/fails-1', define('x.def', HEAD + text))
    assert.is(ran.status, status, ran.err)
    assert.match(ran.err, message)
  }
  assert.match(importing('app/fails-1', define('x.def', 'Bootstrap: shub\nFrom: x\n')).err, /closed in 2021/)
  assert.is.not(composeIn(world(), ['show', 'app/fails-1']).status, 0)
  assert.equal(leftOver(), [])
})

longest('runs scripts of the host only if that is asked for', () => {
  const mark = join(world().home, 'mark')
  const inside =
    '%setup\ncp setup.def $APPTAINER_ROOTFS/copy; cp setup.def $TMPDIR/copy; mkdir $SINGULARITY_ROOTFS/opt2\n'
  const file = define('setup.def', `Bootstrap: scratch\n${inside}`)
  for (const [i, flag] of ['--host-scripts=ro', '--host-scripts=rw'].entries()) {
    imported(`app/setup-${i}`, file, flag)
    assert.equal(listed(`app/setup-${i}`), ['-rw-r--r-- 0/0 copy', 'drwxr-xr-x 0/0 opt2/'], flag)
  }
  const outside = define('outside.def', `Bootstrap: scratch\n%setup\necho x > $HOME/mark\n`)
  const refused = importing('app/outside-1', outside, '--host-scripts', 'ro')
  assert.is(refused.status, 53, refused.err)
  assert.match(refused.err, /Read-only file system/)
  assert.match(refused.err, /%setup of .*outside\.def, line 2, ended with status/)
  assert.not.ok(existsSync(mark))
  imported('app/outside-1', outside, '--host-scripts', 'rw')
  assert.ok(existsSync(mark))
  for (const more of [['--host-scripts', 'yes'], ['--host-scripts']])
    assert.is(importing('app/outside-2', outside, ...more).status, 2)
  assert.equal(leftOver(), [])
})

/** Each line would change the host. Nobody, root included, gets any of it done. */
const ESCAPES = `Bootstrap: scratch
%setup
  set +e
  undone() { if "$@"; then echo "UNDONE: $*"; exit 1; fi; }
  write() { for to; do { echo x > "$to/mark"; } 2>/dev/null && return 0; done; return 1; }
  undone write "$HOME" /var/tmp /dev/shm /proc/1/cwd /proc/$PPID/root/tmp
  undone mount -o remount,bind,rw /
  undone umount /tmp
  undone unshare -m mount -o remount,bind,rw /
  undone unshare -m umount /tmp
  undone nsenter -t 1 -m true
  test -r /etc/passwd && echo x > /tmp/mark && echo x > $APPTAINER_ROOTFS/mark
`

const ESCAPED = ['-rw-r--r-- 0/0 mark']

longest('holds scripts of the host to a host that is read-only', () => {
  imported('app/escapes-1', define('escapes.def', ESCAPES), '--host-scripts', 'ro')
  assert.equal(listed('app/escapes-1'), ESCAPED)
})

const ofRoot = needing(definition, 'root')

ofRoot('holds those of root to it as well', () => {
  const { folder } = world()
  const store = join(folder, 'store-of-root')
  const file = define('escapes.def', ESCAPES)
  const options = { env: { HOME: folder, TMPDIR: folder }, cwd: folder }
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'app/escapes-1', file, '--host-scripts', 'ro'], options)
  assert.not.ok(existsSync(join(folder, 'mark')))
})

const TWO_STAGES = `Bootstrap: compose
From: base/host app/lic
Stage: one

Bootstrap: compose
From: base/host
Stage: two
%files from one
  /opt/lic/src /opt/copied

Bootstrap: compose
From: base/host
%files from two
  /opt/copied /opt/copied
`

const licensed = (module: string, ...flags: string[]): void => {
  const folder = join(world().home, 'licensed')
  mkdirSync(join(folder, 'opt/lic'), { recursive: true })
  writeFileSync(join(folder, 'opt/lic/src'), 'of the licence\n')
  const { status, err } = composeIn(world(), ['import', module, folder, ...flags])
  assert.is(status, 0, err)
}

definition('is for nobody for whom a module of an earlier stage is not', () => {
  licensed('app/lic-1', '--access-group', '1000')
  const file = define('wide.def', TWO_STAGES)
  const refused = importing('app/wide-1', file)
  assert.is(refused.status, 44, refused.err)
  assert.match(refused.err, /app\/lic-1, which is in stage one of .*wide\.def, is for g/)
  imported('app/wide-1', file, '--open-to', 'everyone')
  assert.equal(shown('app/wide-1').accessGroups, [])
  imported('app/narrow-1', file, '--access-group', '1000')
  const image = join(world().home, 'wide.sqfs')
  const building = ['--bind', '/usr', '--no-network', '--for', 'everyone']
  const wider = composeIn(world(), ['build', image, file, ...building])
  assert.is(wider.status, 44, wider.err)
  const bare = composeIn(world(), ['build', image, file, ...building.slice(0, 3)])
  assert.is(bare.status, 0, bare.err)
  assert.match(bash('getfacl -n -p "$1"', image).toString(), /^other::---$/m)
})

longest('keeps what a module of an earlier stage keeps at the site', () => {
  licensed('app/lic-1', '--replace', '--open-to', 'everyone', '--no-redistribute')
  const file = define('kept.def', TWO_STAGES)
  imported('app/kept-1', file)
  assert.is(shown('app/kept-1').redistributable, false)
  imported('app/leaves-1', file, '--allow-redistribution')
  assert.is.not(shown('app/leaves-1').redistributable, false)
})

longest('gives the same layer whatever umask the user has, and keeps private folders private', () => {
  const folder = join(world().home, 'private')
  mkdirSync(join(folder, 'open'), { recursive: true })
  writeFileSync(join(folder, 'open/key'), 'key')
  chmodSync(folder, 0o700)
  chmodSync(join(folder, 'open'), 0o755)
  chmodSync(join(folder, 'open/key'), 0o644)
  bash('chown -R --reference="$1" "$2"', world().home, folder)
  const text =
    'Bootstrap: scratch\n%files\nprivate /opt/new/\n%apphelp demo\nhelp\n%environment\nif true; then X=1; fi\n'
  const file = define('private.def', text)
  const before = process.umask()
  try {
    for (const [version, mask] of [0o022, 0o077].entries()) {
      process.umask(mask)
      imported(`app/private-${version}`, file)
    }
  } finally {
    process.umask(before)
  }
  assert.equal(shown('app/private-1').layers, shown('app/private-0').layers)
  const lines = listed('app/private-1')
  for (const line of [
    'drwxr-xr-x 0/0 opt/',
    'drwxr-xr-x 0/0 opt/new/',
    'drwx------ 0/0 opt/new/private/',
    'drwxr-xr-x 0/0 opt/new/private/open/',
    'drwxr-xr-x 0/0 scif/apps/demo/lib/'
  ])
    assert.ok(lines.includes(line), `${line} in\n${lines.join('\n')}`)
})

needing(definition, 'mksquashfs')('follows no link of an image out of the tree', () => {
  const tree = join(world().home, 'hostile')
  const outside = join(world().home, 'outside')
  for (const folder of [tree, outside]) mkdirSync(folder)
  symlinkSync(outside, join(tree, 'opt'))
  symlinkSync('../../../../../../../../..', join(tree, 'up'))
  const image = join(world().home, 'hostile.sqfs')
  bash('mksquashfs "$1" "$2" -all-root -quiet >/dev/null; chmod a+r "$2"', tree, image)
  writeFileSync(join(world().home, 'one'), '1')
  const text = `Bootstrap: localimage\nFrom: ${image}\n%files\none /opt/one\none /up${outside}/two\n`
  imported('app/hostile-1', define('hostile.def', text))
  assert.equal(readdirSync(outside), [])
})

longest('takes ACLs of a stage over, and the content of its top', () => {
  const { home } = world()
  const tar = join(home, 'acl.tar')
  bash(
    `mkdir -p "$1/opt/p"; echo f >"$1/opt/p/f"; chmod 755 "$1/opt/p/f"; setfacl -m u:1002:--- "$1/opt/p" "$1/opt/p/f"
    tar --owner=0 --group=0 --numeric-owner --acls -cf "$2" -C "$1" .; chmod a+r "$2"`,
    join(world().folder, 'acl'),
    tar
  )
  assert.is(composeIn(world(), ['import', 'app/acl-1', tar]).status, 0)
  const stage =
    'Bootstrap: compose\nFrom: base/host app/acl\nStage: one\n\nBootstrap: scratch\n%files from one\n'
  imported('app/part-1', define('part.def', `${stage}  /opt/p /opt/p2\n`))
  imported('app/top-1', define('top.def', `${stage}  / /\n`))
  const unpacked = (module: string, path: string): string => {
    const image = join(home, `${module.replace('/', '-')}.tar`)
    assert.is(composeIn(world(), ['build', image, module, '--format', 'tar']).status, 0)
    const into = join(world().folder, module)
    return bash(
      'mkdir -p "$2"; tar --acls --no-same-owner -xf "$1" -C "$2"; ls -d "$2/stage-1" 2>/dev/null || getfacl -ncp "$2/$3"',
      image,
      into,
      path
    ).toString()
  }
  for (const [module, path] of [
    ['app/part', 'opt/p2'],
    ['app/part', 'opt/p2/f'],
    ['app/top', 'opt/p'],
    ['app/top', 'opt/p/f']
  ])
    assert.is(
      unpacked(module, path).trim(),
      'user::rwx\nuser:1002:---\ngroup::r-x\nmask::r-x\nother::r-x',
      `${module} ${path}`
    )
  assert.equal(
    listed('app/top-1').filter(line => /\.compose| (\.\/)?environment/.test(line)),
    []
  )
})

longest('writes nothing below /.compose', () => {
  const { home } = world()
  writeFileSync(join(home, 'forged'), 'strata-metadata-1')
  const ways = [
    '%files\n  forged /.compose/sandbox/metadata\n',
    '%post\n  ln -s /.compose/sandbox/record /.build.labels\n'
  ]
  for (const way of ways) {
    const { err } = importing(
      'app/forged-1',
      define('forged.def', `Bootstrap: compose\nFrom: base/host\n${way}`)
    )
    assert.match(err, /forged\.def, line \d+: .*\/\.compose.*DEFINITION_INVALID/s, way)
  }
})

definition.run()
