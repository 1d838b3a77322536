import { rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { portrait } from '../helpers/layers.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

/** Images made by umoci and skopeo; what umoci unpacks from them is the truth. */
const images = suite('compose import: OCI images')

/** Made once, read by all. */
let layout: string | undefined

function madeByUmoci(): string {
  layout ??= makeLayout(scratch())
  return layout
}

/**
 * `image:v1`, `v2`, `v3` in one layout, each a layer more. v2 is what umoci makes of changes: whiteouts, a changed
 * mode, a renamed link. v3 has what only other builders write: opaque directories, files that were directories.
 */
function makeLayout(folder: string): string {
  bash(
    `cd "$1"
    mkdir -p lower/{etc,bin,opt/app/deep,srv/data,srv/gone,lib/x} && cd lower
    head -c 200000 /dev/urandom > bin/tool; ln bin/tool bin/hard; cp bin/tool bin/cap; chmod 4755 bin/tool
    setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 bin/cap
    echo one > etc/one; echo two > etc/two; ln -s one etc/link; ln -s ../lib/x opt/x
    setfattr -n user.note -v hello etc/one; setfattr -n user.dir -v d opt/app; setfattr -n trusted.t -v 1 etc/two
    mkfifo srv/fifo; mknod srv/null c 1 3; chown -R 12:34 srv; chmod 1777 srv/data; chmod 2750 opt/app
    for i in 1 2 3; do echo $i > srv/data/$i; echo $i > srv/gone/$i; echo $i > opt/app/deep/$i; done
    find . -depth -exec touch -h -d '2020-02-02 02:02:02' {} +
    tar --xattrs --xattrs-include='*' --numeric-owner -cf ../lower.tar .
    cd ..; mkdir -p upper/{srv/data,etc/one,opt/app} && cd upper
    touch srv/data/.wh..wh..opq etc/.wh.two opt/.wh.x srv/.wh.gone
    echo new > srv/data/new; ln srv/data/new srv/data/newhard; echo in > etc/one/in
    echo 9 > opt/app/file; chmod 700 opt/app
    find . -depth -exec touch -h -d '2021-03-03 03:03:03' {} +
    tar --numeric-owner -cf ../upper.tar .
    cd ..; umoci init --layout image; umoci new --image image:v1; umoci raw add-layer --image image:v1 lower.tar
    umoci config --image image:v1 --config.env PATH=/opt/app/bin:/bin --config.env LANG=C.UTF-8 \\
      --config.label org.example.a=b --config.entrypoint printf --config.cmd "it's %s" --config.workingdir /srv
    umoci unpack --image image:v1 change
    cd change/rootfs; rm bin/hard; rm -r opt/app/deep; echo more > opt/more; chmod 600 etc/one; mv etc/link etc/link2
    cd ../..; umoci repack --image image:v2 change; umoci raw add-layer --image image:v2 --tag v3 upper.tar`,
    folder
  )
  return join(folder, 'image')
}

/** Both trees as text; the sandbox's own record is no part of what it holds. */
function treesOf(store: string, layout: string, tag: string): { ours: string; theirs: string } {
  const folder = scratch()
  const [sandbox, bundle] = [join(folder, 'sandbox'), join(folder, 'bundle')]
  bash('umoci unpack --image "$1" "$2"', `${layout}:${tag}`, bundle)
  composed(store, ['build', '--bare', '--sandbox', sandbox, `base/image-${tag.slice(1)}`])
  rmSync(join(sandbox, '.compose'), { recursive: true })
  const rootfs = join(bundle, 'rootfs')
  const { atime, mtime } = statSync(rootfs)
  utimesSync(sandbox, atime, mtime)
  return { ours: portrait(sandbox), theirs: portrait(rootfs) }
}

function newStore(): string {
  const store = join(scratch(), 'store')
  composed(store, ['init', '--level', '1'])
  return store
}

const ROOT_WITH_UMOCI = ['root', 'umoci', 'setfattr', 'getfacl']

needing(images, ...ROOT_WITH_UMOCI)(
  'come out as umoci unpacks them: whiteouts, opaque directories, links, attributes, devices',
  () => {
    const layout = madeByUmoci()
    const store = newStore()
    const layersOf = (tag: string): { id: string; known: boolean }[] =>
      composed(store, ['import', `base/image-${tag.slice(1)}`, `${layout}:${tag}`]).layers
    const [v1, v2, v3] = ['v1', 'v2', 'v3'].map(layersOf)
    assert.equal([v1.length, v2.length, v3.length], [1, 2, 3])
    assert.equal(
      v3.map(({ known }) => known),
      [true, true, false],
      'layers that images share are stored once'
    )
    assert.equal(
      v3.slice(0, 2).map(({ id }) => id),
      v2.map(({ id }) => id)
    )
    for (const tag of ['v1', 'v2', 'v3']) {
      const { ours, theirs } = treesOf(store, layout, tag)
      assert.is(ours, theirs, tag)
    }
    assert.equal(composed(store, ['fsck']).findings, [])
  }
)

needing(
  images,
  ...ROOT_WITH_UMOCI,
  'skopeo'
)('are the same module from a layout, an oci-archive and a docker-archive', () => {
  const layout = madeByUmoci()
  const store = newStore()
  const first = composed(store, ['import', 'base/image-3', `${layout}:v3`])
  const folder = scratch()
  bash(
    `skopeo copy -q "oci:$1:v3" "oci-archive:$2/oci.tar:v3"; skopeo copy -q "oci:$1:v3" "docker-archive:$2/docker.tar:repo/image:v3"
      gzip -k "$2/docker.tar"
      skopeo copy -q --dest-compress-format zstd "docker-archive:$2/docker.tar" "oci:$2/zstd:v3"
      grep -q 'layer.v1.tar+zstd' "$2"/zstd/blobs/sha256/*`,
    layout,
    folder
  )
  for (const [source, reference] of [
    ['oci.tar', 'v3'],
    ['docker.tar', 'docker.io/repo/image:v3'],
    ['docker.tar.gz', 'docker.io/repo/image:v3'],
    ['docker.tar:repo/image:v3', 'docker.io/repo/image:v3'],
    ['zstd', 'v3']
  ]) {
    const again = composed(store, ['import', 'base/image-3', join(folder, source)])
    assert.is(again.outcome, 'same', source)
    assert.is(again.record, first.record)
    assert.is(again.origin[0].reference, reference, source)
  }
})

needing(images, ...ROOT_WITH_UMOCI)(
  'bring their configuration into the record, and say what has no place there',
  () => {
    const layout = madeByUmoci()
    const store = newStore()
    const said = compose(store, ['import', 'base/image-1', `${layout}:v1`])
    assert.is(said.status, 0, said.err)
    assert.match(said.out, /notes: 1\n {6}WorkingDir: "\/srv"/)
    const shown = composed(store, ['show', 'base/image-1'])
    assert.equal(shown.environment, [
      { operation: 'set', name: 'PATH', value: '/opt/app/bin:/bin' },
      { operation: 'set', name: 'LANG', value: 'C.UTF-8' }
    ])
    assert.equal(shown.labels, { 'org.example.a': 'b' })
    assert.is(bash(shown.runscript).toString(), "it's ")
    composed(store, [
      'import',
      'app/image-1',
      `${layout}:v1`,
      '--allow-privileged',
      '--set',
      'LANG=de',
      '--label',
      'org.example.a=c'
    ])
    const app = composed(store, ['show', 'app/image-1'])
    assert.equal(
      app.environment.map((operation: object) => Object.values(operation).join(' ')),
      ['prepend PATH /opt/app/bin:/bin', 'set LANG C.UTF-8', 'set LANG de'],
      'what is typed comes behind'
    )
    assert.equal(app.labels, { 'org.example.a': 'c' })
    const refused = composeFails(store, ['import', 'lib/image-1', `${layout}:v1`], 27)
    assert.is(refused.code, 'PRIVILEGED')
  }
)

needing(images, ...ROOT_WITH_UMOCI)('can lie below other sources, which become further layers', () => {
  const layout = madeByUmoci()
  const store = newStore()
  const more = scratch()
  bash('echo site > "$1/motd"', more)
  const report = composed(store, ['import', 'base/site-1', `${layout}:v2`, more])
  assert.is(report.layers.length, 3)
  assert.equal(
    report.origin.map(({ kind }: { kind: string }) => kind),
    ['oci', 'directory']
  )
  const error = composeFails(store, ['import', 'base/site-2', `${layout}:v4`], 29)
  assert.equal([error.code, error.facts.references], ['SOURCE_CHOICE', ['v1', 'v2', 'v3']])
  assert.is(composeFails(store, ['import', 'base/x-1', layout, '--platform', 'arm64'], 2).code, 'USAGE')
})

images('a tarball under the name of an image archive is refused, and not imported as files', () => {
  const [store, folder] = [newStore(), scratch()]
  bash('cd "$1"; echo x > file; tar cf plain.tar file', folder)
  for (const name of ['docker-archive', 'oci-archive', 'oci']) {
    const refused = composeFails(store, ['import', 'app/x-1', `${name}:${join(folder, 'plain.tar')}`], 29)
    assert.match(refused.message, `is not what ${name}: names`)
    assert.match(refused.hint!, `compose import MODULE ${join(folder, 'plain.tar')}`)
  }
  assert.is(compose(store, ['import', 'app/x-1', join(folder, 'plain.tar')]).status, 0)
})

images.run()
