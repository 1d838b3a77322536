import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { layerTars, readLayout } from '../compose/oci/oci-layers.ts'
import { everyForm, portrait, sha256OfFile } from '../helpers/layers.ts'
import { atCheckSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

/**
 * Outputs as other programs unpack them, compared with the merged tree: a base with every form of file, ACL and
 * attribute, a library of two layers, and a module that goes through a link and would take over directories.
 */

const GROUP = 4242
const TOOLS = ['root', 'getfacl', 'getfattr', 'setfacl', 'bsdtar', 'umoci', 'zstd'] as const

interface Stack {
  folder: string
  store: string
  /** The merged tree as the kernel knows it. */
  wanted: string
}

let made: Stack | undefined

const MODULES = ['base/forms', 'lib/two', 'app/top']
const BARE = [...MODULES, '--bare', '--on-conflict', 'upper']

function stack(): Stack {
  made ??= makeStack()
  return made
}

function makeStack(): Stack {
  const folder = scratch()
  const store = join(folder, 'store')
  const at = (name: string) => join(folder, name)
  bash(
    `cp -a "$2" "$1/base"; cd "$1"
    setfattr -x user.empty base/etc/numbers
    mkdir -p base/usr/lib base/opt/kept; ln -s usr/lib base/lib; echo same > base/opt/same
    mkdir -p l1/lib l1/opt/data/old l1/opt/data/gone l2/opt/data/old app/opt/kept app/lib/app
    echo lib > l1/lib/libx.so; echo a > l1/opt/data/old/a; echo b > l1/opt/data/gone/b
    echo c > l1/opt/data/c; ln l1/opt/data/c l1/opt/data/c2
    touch l2/opt/data/old/.wh..wh..opq l2/opt/data/.wh.gone l2/opt/data/.wh.c; echo new > l2/opt/data/old/new
    echo app > app/opt/kept/app; echo deep > app/lib/app/deep; echo same > app/opt/same; chmod 700 app app/opt/kept
    tar -C l1 --owner=0 --group=0 -cf l1.tar .; tar -C l2 --owner=0 --group=0 -cf l2.tar .
    tar -C app --owner=1001 --group=1001 -cf app.tar .`,
    folder,
    everyForm()
  )
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/forms-1', at('base'), '--allow-privileged'])
  composed(store, ['import', 'lib/two-1', at('l1.tar'), at('l2.tar')])
  composed(store, ['import', 'app/top-1', at('app.tar'), '--set', 'TOP=/opt', '--prepend', 'PATH=/opt/bin'])
  composed(store, ['build', '--sandbox', at('wanted'), ...BARE])
  bash('cd "$1"; touch -r wanted mark; rm -r wanted/.compose; touch -r base wanted', folder)
  return { folder, store, wanted: portrait(at('wanted')) }
}

/** Paths below a folder with their metadata, one per line. */
const lines = (text: string): string[] => text.split(/[|\n]/)

function samePortrait(
  tree: string,
  change: (line: string) => string = line => line,
  of = stack().wanted
): void {
  const found = lines(portrait(tree)).map(change)
  const wanted = lines(of).map(change)
  const [have, want] = [new Set(found), new Set(wanted)]
  const surplus = found.filter(line => !want.has(line))
  const missing = wanted.filter(line => !have.has(line))
  assert.equal(surplus.slice(0, 9), missing.slice(0, 9))
}

let forEngines: string | undefined

/** The merged tree as container engines get it: no ACLs, and the modes that an image for the same people has. */
function wantedByEngines(): string {
  forEngines ??= withModesOfImage(stack())
  return forEngines
}

function withModesOfImage({ folder, store }: Stack): string {
  composed(store, ['build', join(folder, 'modes.sqfs'), ...BARE])
  bash(
    `cd "$1"; cp -a wanted engine; setfacl -R -P -b -k engine; mkdir mnt; mount -o loop,ro modes.sqfs mnt; trap 'umount mnt' EXIT
    (cd engine; find . ! -type l -exec chmod --reference=../mnt/{} {} ';')`,
    folder
  )
  return portrait(join(folder, 'engine'))
}

const tar = suite('compose build --format tar')

needing(tar, ...TOOLS)('GNU tar --acls --xattrs restores the tree, from a file and from a pipe', () => {
  const { folder, store } = stack()
  const file = join(folder, 'out.tar')
  composed(store, ['build', file, ...BARE, '--format', 'tar'])
  bash(
    `mkdir "$1/gnu"; tar --acls --xattrs --xattrs-include='*' --numeric-owner -xpf "$1/out.tar" -C "$1/gnu" 2>/dev/null`,
    folder
  )
  samePortrait(join(folder, 'gnu'))
  const ran = bash(
    'node="$1"; shift; COMPOSE_STORE="$1" "$node" "$2" build - $3 --format tar 2>/dev/null | sha256sum',
    process.execPath,
    store,
    new URL('../../cli/main.js', import.meta.url).pathname,
    BARE.join(' ')
  )
  assert.is(ran.toString().slice(0, 64), sha256OfFile(file))
})

needing(tar, ...TOOLS)('bsdtar restores the tree but for what it cannot: fractions before 1970', () => {
  const { folder, store } = stack()
  composed(store, ['build', join(folder, 'bsd.tar'), ...BARE, '--format', 'tar'])
  bash(
    'mkdir "$1/bsd"; bsdtar --acls --xattrs --numeric-owner -xpf "$1/bsd.tar" -C "$1/bsd"; touch -r "$1/gnu" "$1/bsd"',
    folder
  )
  samePortrait(join(folder, 'bsd'), line => (line.startsWith('-304707') ? 'before 1970' : line))
})

needing(tar, ...TOOLS)('a reader that drops ACLs gives nobody a right that they denied', () => {
  const { folder } = stack()
  bash('mkdir "$1/plain"; tar --no-acls --numeric-owner -xpf "$1/out.tar" -C "$1/plain" 2>/dev/null', folder)
  const modeIn = (tree: string, path: string) => statSync(join(folder, tree, path)).mode & 0o777
  // group::---, group:54321:rwx, mask::rwx: the stored mode shows rwx for the group.
  assert.is(modeIn('wanted', 'bin/copy'), 0o670)
  assert.is(modeIn('plain', 'bin/copy'), 0o600)
  for (const path of ['etc/numbers', 'bin/tool', 'etc/deep', 'shared'])
    assert.is(modeIn('plain', path) & ~modeIn('wanted', path), 0, path)
})

needing(tar, ...TOOLS)('keeps holes as holes', () => {
  const { folder } = stack()
  const { size, blocks } = statSync(join(folder, 'gnu/etc/sparse'))
  assert.is(size, 5 << 20)
  assert.ok(blocks * 512 < 1 << 20)
})

const oci = suite('compose build --format oci')

for (const compression of ['none', 'gzip'])
  needing(oci, ...TOOLS)(`umoci unpack gives the tree, layers packed by ${compression}`, () => {
    const { folder, store } = stack()
    const layout = join(folder, `umoci-${compression}`)
    composed(store, ['build', layout, ...BARE, '--format', 'oci', '--layer-comp', compression])
    bash('umoci unpack --image "$1:latest" "$1.bundle"', layout)
    samePortrait(`${layout}.bundle/rootfs`, undefined, wantedByEngines())
  })

needing(
  oci,
  ...TOOLS,
  'skopeo'
)('skopeo copies it to other forms and back, and it is the same tree', () => {
  const { folder, store } = stack()
  const layout = join(folder, 'skopeo')
  composed(store, ['build', layout, ...BARE, '--format', 'oci', '--tag', 'forms:1', '--layer-comp', 'none'])
  bash(
    `cd "$1"; exec 2>&1
    skopeo copy --insecure-policy oci:skopeo:forms:1 docker-archive:skopeo.tar:forms:1
    skopeo copy --insecure-policy docker-archive:skopeo.tar oci:back:latest
    umoci unpack --image back:latest back.bundle`,
    folder
  )
  samePortrait(join(folder, 'back.bundle/rootfs'), undefined, wantedByEngines())
  const zstd = join(folder, 'skopeo-zstd')
  composed(store, ['build', zstd, ...BARE, '--format', 'oci'])
  bash('cd "$1"; skopeo copy --insecure-policy oci:skopeo-zstd:latest oci:copied:latest 2>&1', folder)
  assert.is(
    readLayout(join(folder, 'copied')).index.manifests[0].digest,
    readLayout(zstd).index.manifests[0].digest
  )
})

needing(oci, ...TOOLS)('gives the same bytes in another time zone, locale, umask, on one core', () => {
  const { folder, store } = stack()
  const one = composed(store, [
    'build',
    join(folder, 'one'),
    ...MODULES,
    '--on-conflict',
    'upper',
    '--format',
    'oci'
  ])
  bash(
    'umask 077; cd "$1"; exec env -i PATH="$PATH" HOME=/ COMPOSE_STORE="$2" TZ=Pacific/Chatham LC_ALL=tr_TR.UTF-8 taskset -c 0 "$3" "$4" build two $5 --on-conflict upper --format oci',
    folder,
    store,
    process.execPath,
    new URL('../../cli/main.js', import.meta.url).pathname,
    MODULES.join(' ')
  )
  assert.is(readLayout(join(folder, 'two')).index.manifests[0].digest, one.manifest.digest)
  bash('diff -r "$1/one" "$1/two"', folder)
  const modes = bash('cd "$1/two"; find . -printf "%m\\n" | sort -u', folder).toString()
  assert.is(modes, '644\n755\n')
})

needing(oci, ...TOOLS)('describes the image: environment, labels, layers by module, processor', () => {
  const { config, layers } = readLayout(join(stack().folder, 'one'))
  assert.is(config.os, 'linux')
  assert.equal(
    config.config.Env.filter((line: string) => /^(PATH|TOP)=/.test(line)),
    ['PATH=/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TOP=/opt']
  )
  assert.is(config.config.Labels['org.opencontainers.image.title'], 'app/top')
  assert.equal(config.config.Cmd, ['/bin/sh'])
  assert.equal(
    config.history.map(({ comment }: { comment: string }) => comment),
    ['base/forms-1', 'lib/two-1', 'lib/two-1', 'app/top-1', 'files for runtimes, records']
  )
  assert.is(layers.length, 5)
  assert.equal(new Set(layers.map(({ mediaType }) => mediaType)).size, 1)
})

needing(oci, ...TOOLS)('modules below are the same layers in every image', () => {
  const { folder, store } = stack()
  composed(store, ['build', join(folder, 'two-modules'), 'base/forms', 'lib/two', '--format', 'oci'])
  const digests = (layout: string) => readLayout(join(folder, layout)).layers.map(({ digest }) => digest)
  assert.equal(digests('two-modules').slice(0, 3), digests('one').slice(0, 3))
})

needing(oci, ...TOOLS)('never overwrites, and leaves nothing behind when it fails', () => {
  const { folder, store } = stack()
  const there = readdirSync(folder)
  const build = (...args: string[]) => ['build', ...args, '--format', 'oci']
  assert.is(composeFails(store, build(join(folder, 'one'), ...BARE), 37).code, 'OUTPUT_EXISTS')
  assert.is(composeFails(store, build(join(folder, 'no/such'), ...BARE), 1).code, 'IO')
  assert.is(composeFails(store, build(join(folder, 'new'), ...BARE, '--layer-comp', 'lz4'), 2).code, 'USAGE')
  assert.is(composeFails(store, build(join(folder, 'new'), ...BARE, '--tag', 'a b'), 2).code, 'USAGE')
  assert.equal(readdirSync(folder), there)
})

needing(oci, ...TOOLS)('a damaged data file is an error that names the path, and no layout', () => {
  const { folder, store } = stack()
  const copy = join(folder, 'damaged-store')
  bash(
    `cp -a "$1" "$2"; cd "$2/parts"; file=$(find . -type f -size +100k | head -1); chmod u+w "$file"; printf 'damaged' | dd of="$file" bs=1 seek=100 conv=notrunc status=none`,
    store,
    copy
  )
  const found = composeFails(copy, ['build', join(folder, 'damaged'), ...BARE, '--format', 'oci'], 12)
  assert.is(found.code, 'OBJECT_CORRUPT')
  assert.not.ok(existsSync(join(folder, 'damaged')))
  assert.equal(
    readdirSync(folder).filter(name => name.endsWith('.tmp')),
    []
  )
})

needing(oci, ...TOOLS)('modules that must not leave the site are refused without --internal', () => {
  const { folder, store } = stack()
  bash(
    'cd "$1"; mkdir -p lic/opt; echo secret > lic/opt/licensed; tar -C lic -cf lic.tar .; echo "redistributable: false" > lic.yaml',
    folder
  )
  composed(store, [
    'import',
    'app/licensed-1',
    join(folder, 'lic.tar'),
    '--spec',
    join(folder, 'lic.yaml'),
    '--owner',
    '0:0'
  ])
  for (const format of ['oci', 'tar']) {
    const build = ['build', join(folder, `lic-${format}`), 'base/forms', 'app/licensed', '--format', format]
    const refused = composeFails(store, build, 19)
    assert.is(refused.code, 'NOT_REDISTRIBUTABLE')
    assert.match(refused.message, /app\/licensed-1/)
    composed(store, [...build, '--internal'])
  }
})

needing(oci, ...TOOLS)('only the audience can enter the layout and read the tarball', () => {
  const { folder, store } = stack()
  const flags = ['--for', `group:${GROUP}`]
  composed(store, ['build', join(folder, 'group-oci'), ...BARE, ...flags, '--format', 'oci'])
  composed(store, ['build', join(folder, 'group.tar'), ...BARE, ...flags, '--format', 'tar'])
  bash('chmod 755 "$1"', folder)
  const can = (gid: number, command: string) =>
    bash(
      `setpriv --reuid=1000 --regid=${gid} --clear-groups ${command} >/dev/null 2>&1 && echo yes || echo no`
    ).toString()
  for (const command of [
    `ls ${folder}/group-oci`,
    `cat ${folder}/group.tar`,
    `cat ${folder}/group-oci/index.json`
  ]) {
    assert.is(can(GROUP, command), 'yes\n', command)
    assert.is(can(1000, command), 'no\n', command)
  }
})

atCheckSize(needing(oci, ...TOOLS))('a built tarball can be imported again, with its ACLs', () => {
  const { folder, store } = stack()
  const { lock } = composed(store, ['build', join(folder, 'again.tar'), ...BARE, '--format', 'tar'])
  composed(store, ['import', 'base/again-1', join(folder, 'again.tar'), '--allow-privileged'])
  const again = composed(store, ['build', join(folder, 'again.sqfs'), 'base/again', '--bare'])
  assert.is(again.lock.tree, lock.tree)
  for (const [i, audience] of [`group:${GROUP}`, 'user:12345:12345:54321'].entries()) {
    const file = join(folder, `for-${i}.tar`)
    composed(store, ['build', file, ...BARE, '--format', 'tar', '--for', audience])
    composed(store, ['import', `base/again-${i + 2}`, file, '--allow-privileged'])
    const { lock: found } = composed(store, ['build', `${file}.sqfs`, `base/again-${i + 2}`, '--bare'])
    assert.is(found.tree, lock.tree, audience)
  }
})

needing(oci, ...TOOLS)('the generated files are in a layer of their own', () => {
  const { folder } = stack()
  const tars = layerTars(join(folder, 'one'), scratch())
  const names = bash('tar -tf "$1"', tars.at(-1)!).toString()
  assert.match(names, /^\.compose\/lock$/m)
  assert.match(names, /^\.singularity\.d\/runscript$/m)
  assert.not.match(bash('tar -tf "$1"', tars[0]).toString(), /\.compose/)
})

const options = suite('compose build: formats')

options('an unknown format names the known ones', () => {
  const error = composeFails(join(scratch(), 'store'), ['build', 'x', '--format', 'zip'], 2)
  assert.match(error.message, /squashfs, sif, oci, tar/)
})

options('--json and a tarball on standard output are refused together', () => {
  const ran = compose(join(scratch(), 'store'), ['--json', 'build', '-', '--format', 'tar'])
  assert.is(ran.status, 2)
})

tar.run()
oci.run()
options.run()
