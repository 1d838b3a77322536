/** Bases that package managers of the host install, or that lie in a registry as image files (spec/definitions.md#bootstrap). */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing, suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { startRegistry, stopRegistries } from '../../helpers/registry.ts'
import { homeIn } from '../../helpers/runtimes.ts'
import { scratch } from '../../helpers/scratch.ts'
import { type CaptureWorld, composeIn } from '../capture/capture-world.ts'

const bases = suiteNeeding('definition: bases', 'root', 'userns')
bases.after(stopRegistries)

function newWorld(): CaptureWorld {
  const folder = scratch()
  const home = homeIn(folder)
  const world = { folder, home, base: '', store: join(home, 'store') }
  ran(world, 'init', '--level', '1')
  return world
}

function ran(world: CaptureWorld, ...words: string[]): string {
  const { status, out, err } = composeIn(world, words)
  assert.is(status, 0, err)
  return out + err
}

function define({ home }: CaptureWorld, text: string): string {
  const file = join(home, 'base.def')
  writeFileSync(file, text)
  return file
}

/** The lowest layer of a module, unpacked. */
function unpacked(world: CaptureWorld, module: string): string {
  const out = join(world.home, `out-${module.replace('/', '-')}`)
  ran(world, 'export', module, out)
  const tree = join(world.folder, `tree-${module.replace('/', '-')}`)
  bash('mkdir "$2"; tar --xattrs --acls -C "$2" -xpf "$1/layer-1.tar"', out, tree)
  return tree
}

const owners = (tree: string): string[] =>
  bash('cd "$1"; find . -printf "%P %y %m %U:%G %s %l\\n" | sort', tree).toString().split('\n')

/** Logs, caches, accounts of the moment and places that every run has its own of. */
const DIFFERS =
  /^(dev|proc|run|sys|tmp|var\/(log|cache|tmp|lib\/apt)|etc\/(hostname|resolv\.conf|machine-id))\b/

const lines = (tree: string): string[] =>
  owners(tree)
    .filter(line => !DIFFERS.test(line))
    .map(line => (/ d /.test(line) ? line.replace(/ \d+ $/, '') : line)) // folders have no size of their own

needing(bases, 'mmdebstrap')('a Debian is what mmdebstrap makes as root, without root', () => {
  const world = newWorld()
  const text = `Bootstrap: debootstrap\nOSVersion: bookworm\nMirrorURL: http://deb.debian.org/debian\nInclude: at\n`
  const file = define(world, text)
  ran(world, 'import', 'base/debian-12', file)
  const tree = unpacked(world, 'base/debian-12')
  const wanted = join(world.folder, 'wanted')
  bash(
    'SOURCE_DATE_EPOCH=0 mmdebstrap --quiet --mode=root --variant=minbase --include=apt,at --format=tar bookworm "$1.tar" http://deb.debian.org/debian; mkdir "$1"; tar --xattrs --acls -C "$1" -xpf "$1.tar"',
    wanted
  )
  const [found, sought] = [lines(tree), lines(wanted)]
  assert.equal(
    [found.filter(line => !sought.includes(line)), sought.filter(line => !found.includes(line))],
    [[], []]
  )
  assert.ok(
    lines(tree).some(line => /^usr\/bin\/at f 6755 1:1 /.test(line)),
    'at'
  )
  const again = ran(world, 'import', 'base/debian-12', file, '--replace')
  assert.not.match(again, /debootstrap bookworm of/)
})

const RPM = `
cd "$1"
printf 'Name: setup\\nVersion: 1\\nRelease: 1\\nSummary: s\\nLicense: MIT\\nBuildArch: noarch\\n%%description\\nd\\n%%install
mkdir -p %%{buildroot}/etc; echo site > %%{buildroot}/etc/redhat-release
printf "root:x:0:0::/:/bin/sh\\\\nkeeper:x:61:62::/:/bin/sh\\\\n" > %%{buildroot}/etc/passwd; printf "root:x:0:\\\\nmail:x:63:\\\\nkeepers:x:62:\\\\n" > %%{buildroot}/etc/group
%%files\\n/etc/*\\n' > setup.spec
printf 'Name: tiny\\nVersion: 2\\nRelease: 1\\nSummary: s\\nLicense: MIT\\nBuildArch: noarch\\nRequires(pre): setup\\n%%description\\nd\\n%%install
mkdir -p %%{buildroot}/opt/tiny; echo hi > %%{buildroot}/opt/tiny/f; ln -s f %%{buildroot}/opt/tiny/l
%%files\\n%%attr(2755,root,mail) /opt/tiny/f\\n%%attr(0770,keeper,keepers) %%dir /opt/tiny\\n/opt/tiny/l\\n' > tiny.spec
for each in setup tiny; do rpmbuild -bb --quiet --define "_topdir $1/top" --define "_rpmdir $1/9" $each.spec >&2; done
createrepo_c -q 9; chmod -R a+rX "$1"
`

needing(
  bases,
  'dnf',
  'createrepo_c',
  'rpmbuild'
)('packages of an rpm repository have their owners', () => {
  const world = newWorld()
  const folder = join(world.folder, 'repository')
  mkdirSync(folder)
  bash(RPM, folder)
  for (const agent of ['yum', 'dnf']) {
    const file = define(
      world,
      `Bootstrap: ${agent}\nOSVersion: 9\nMirrorURL: file://${folder}/%{OSVERSION}\nInclude: tiny\n%labels\nAgent ${agent}\n`
    )
    ran(world, 'import', `base/${agent}-9`, file, '--bind', `${folder}:${folder}:ro`)
    const tree = unpacked(world, `base/${agent}-9`)
    const found = owners(tree).filter(line => line.startsWith('opt/tiny'))
    assert.equal(
      found.map(line => line.replace(/ (d \d+ \S+) \d+ $/, ' $1')),
      ['opt/tiny d 770 61:62', 'opt/tiny/f f 2755 0:63 3 ', 'opt/tiny/l l 777 0:0 1 f']
    )
    const names = bash('rpm --root "$1" --dbpath /var/lib/rpm -qa | sort', tree).toString()
    assert.is(names, 'setup-1-1.noarch\ntiny-2-1.noarch\n')
  }
  const newer = join(world.folder, 'newer')
  mkdirSync(newer)
  bash(RPM.replace('Version: 2', 'Version: 3'), newer)
  ran(world, 'import', 'base/newer-9', join(world.home, 'base.def'), '--bind', `${newer}:${folder}:ro`)
  const versions = bash('rpm --root "$1" --dbpath /var/lib/rpm -q tiny', unpacked(world, 'base/newer-9'))
  assert.is(versions.toString(), 'tiny-3-1.noarch\n')
})

bases('headers that no tool could be given are refused, with their line', () => {
  const world = newWorld()
  for (const [header, message] of [
    ['Bootstrap: dnf\nMirrorURL: http://x/\n', /line 1: Bootstrap: dnf wants a line Include/],
    ['Bootstrap: yum\nInclude: a\n', /line 1: Bootstrap: yum wants a line MirrorURL/],
    ['Bootstrap: debootstrap\nMirrorURL: http://x/\n', /line 1: .* wants a line OSVersion/],
    ['Bootstrap: mmdebstrap\nOSVersion: --help\n', /line 2: OSVersion: --help begins with a hyphen/],
    ['Bootstrap: debootstrap\nOSVersion: stable\nInclude: a -b\n', /line 3: -b is not a package/],
    ['Bootstrap: debootstrap\nOSVersion: stable\nInclude: $(id)\n', /line 3: \$\(id\) is not a package/]
  ] as const) {
    const { status, err } = composeIn(world, ['import', 'base/x-1', define(world, header)])
    assert.is(status, 52, err)
    assert.match(err, message)
  }
})

/** As `apptainer push` does it, by the protocol of registries. */
async function pushFile(host: string, name: string, file: string, mediaType: string): Promise<string> {
  const put = async (bytes: Buffer) => {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const begun = await fetch(`http://${host}/v2/${name}/blobs/uploads/`, { method: 'POST' })
    const place = new URL(begun.headers.get('location')!, `http://${host}`)
    place.searchParams.set('digest', digest)
    const headers = { 'content-type': 'application/octet-stream' }
    const { status } = await fetch(place, { method: 'PUT', body: new Uint8Array(bytes), headers })
    assert.is(status, 201)
    return { digest, size: bytes.length }
  }
  const config = { mediaType: 'application/vnd.sylabs.sif.config.v1+json', ...(await put(Buffer.from('{}'))) }
  const layer = { mediaType, ...(await put(readFileSync(file))) }
  const type = 'application/vnd.oci.image.manifest.v1+json'
  const body = JSON.stringify({ schemaVersion: 2, mediaType: type, config, layers: [layer] })
  const headers = { 'content-type': type }
  const { status } = await fetch(`http://${host}/v2/${name}/manifests/1`, { method: 'PUT', body, headers })
  assert.is(status, 201)
  return layer.digest
}

needing(bases, 'docker-registry')('an image file in a registry is a base, and is fetched once', async () => {
  const world = newWorld()
  const { home } = world
  writeFileSync(join(home, 'one'), 'of the image\n')
  const made = define(
    world,
    'Bootstrap: scratch\n%files\none /opt/one\n%labels\nKind tool\n%environment\nexport TOOL=1\n'
  )
  const sif = join(home, 'tool.sif')
  ran(world, 'build', sif, made)
  const { host, requests } = await startRegistry()
  const digest = await pushFile(host, 'site/tool', sif, 'application/vnd.sylabs.sif.layer.v1.sif')
  const file = define(world, `Bootstrap: oras\nFrom: ${host}/site/tool:1\n%files\none /opt/two\n`)
  for (const version of [1, 2]) ran(world, 'import', `app/tool-${version}`, file)
  const { labels, environment, layers } = JSON.parse(ran(world, '--json', 'show', 'app/tool-1'))
  assert.is(labels.Kind, 'tool')
  for (const version of [1, 2]) {
    const { predicate } = JSON.parse(ran(world, 'inspect', '--provenance', `app/tool-${version}`))
    assert.equal(predicate.buildDefinition.resolvedDependencies, [
      { name: `oras://${host}/site/tool:1`, digest: { sha256: digest.slice('sha256:'.length) } }
    ])
  }
  assert.ok(environment.some(({ name }: { name: string }) => name === 'TOOL'))
  assert.is(layers.length, 2)
  assert.ok(existsSync(join(unpacked(world, 'app/tool-1'), 'opt/one')))
  assert.is(requests().filter(line => line.includes(`GET /v2/site/tool/blobs/${digest}`)).length, 1)
  await pushFile(host, 'site/other', sif, 'application/octet-stream')
  const other = define(world, `Bootstrap: oras\nFrom: ${host}/site/other:1\n`)
  const { status, err } = composeIn(world, ['import', 'app/other-1', other])
  assert.is.not(status, 0)
  assert.match(err, /oras:\/\/.*site\/other:1 has 0 image files of Apptainer, wanted one/)
})

bases.run()
