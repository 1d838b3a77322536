/**
 * A module of two tarballs of which the upper one has hard links to files of the lower one, as GNU tar leaves it when the
 * first name is deleted from an archive: through all commands, beside one tarball that has both, and other programs.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { portrait } from '../helpers/layers.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const links = suite('compose import: hard links to a lower layer')

const NEEDED = ['root', 'tar', 'setfacl', 'setfattr', 'getfacl'] as const

/** `app/two-1` of lower.tar and upper.tar, `app/one-1` of whole.tar, which has the same files under the same names. */
function madeStore(): { folder: string; store: string } {
  const folder = scratch()
  bash(
    `cd "$1"; chmod 755 .; umask 022; mkdir -p t/opt/app/lib t/opt/closed t/opt/open
    head -c 300000 /dev/urandom > t/opt/app/lib/big; echo secret > t/opt/closed/file; echo plain > t/opt/app/plain
    ln -s plain t/opt/app/to; chown 7:42 t/opt/closed/file; chmod 640 t/opt/closed/file; chmod 700 t/opt/closed
    setfacl -m u:4343:r t/opt/closed/file; setfattr -n user.note -v kept t/opt/closed/file
    tar --acls --xattrs --numeric-owner -C t -cf lower.tar opt
    ln t/opt/app/lib/big t/opt/open/again; ln t/opt/closed/file t/opt/open/way; ln t/opt/app/lib/big t/opt/app/near
    ln t/opt/app/to t/opt/open/to; echo new > t/opt/open/new
    tar --acls --xattrs --numeric-owner -C t -cf whole.tar opt
    tar --acls --xattrs --numeric-owner --no-recursion -C t -cf upper.tar opt/app/lib/big opt/closed/file opt/app/to \\
      opt opt/app opt/app/near opt/open opt/open/again opt/open/new opt/open/to opt/open/way
    tar --delete -f upper.tar opt/app/lib/big opt/closed/file opt/app/to`,
    folder
  )
  const store = join(folder, 'store')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'app/two-1', join(folder, 'lower.tar'), join(folder, 'upper.tar')])
  composed(store, ['import', 'app/one-1', join(folder, 'whole.tar')])
  return { folder, store }
}

needing(
  links,
  ...NEEDED,
  'unsquashfs',
  'mount'
)('images, sandboxes and tarballs are those of one tarball that has both names', () => {
  const { folder, store } = madeStore()
  const at = (name: string) => join(folder, name)
  for (const name of ['one', 'two']) {
    const image = composed(store, ['build', at(`${name}.sqfs`), `app/${name}`, '--bare', '--verify'])
    assert.is(composed(store, ['build', '--sandbox', at(name), `app/${name}`]).tree, image.tree)
    composed(store, ['build', at(`${name}.tar`), `app/${name}`, '--bare', '--format', 'tar'])
    assert.is(compose(store, ['verify', at(`${name}.sqfs`)]).status, 0)
    bash(
      'cd "$1"; mkdir "$2.m" "$2.x"; tar --acls --xattrs -C "$2.x" -xpf "$2.tar"; unsquashfs -lln "$2.sqfs" | sed 1,2d > "$2.list"',
      folder,
      name
    )
  }
  assert.is(
    composed(store, ['inspect', at('two.sqfs')]).tree,
    composed(store, ['inspect', at('one.sqfs')]).tree
  )
  bash(
    'cd "$1"; rm -r one/.compose two/.compose; touch -r t one two one.x two.x; cmp one.list two.list; cmp one.tar two.tar',
    folder
  )
  for (const made of ['one', 'two', 'two.x'])
    assert.equal(portrait(join(at(made), 'opt')), portrait(at('t/opt')), made)
  bash(
    'cd "$1"; mount -o loop,ro two.sqfs two.m; trap "umount two.m" EXIT; test two.m/opt/closed/file -ef two.m/opt/open/way; test two.m/opt/app/near -ef two.m/opt/open/again; cmp two.m/opt/open/again t/opt/app/lib/big',
    folder
  )
})

needing(links, ...NEEDED)('ls, cat, which, diff, provides, export, fsck and repair know such a link', () => {
  const { folder, store } = madeStore()
  const at = (name: string) => join(folder, name)
  const image = composed(store, ['build', at('before.sqfs'), 'app/two', '--bare'])
  const listed = compose(store, ['ls', '-l', '-R', at('before.sqfs')]).out
  assert.match(listed, /^-rw-r-----\+? .*\b7\b.*\b42\b.* \/?opt\/open\/way$/m)
  assert.is(compose(store, ['cat', at('before.sqfs'), '/opt/open/way']).out, 'secret\n')
  assert.is(compose(store, ['which', '/opt/open/way', 'app/two']).status, 0)
  assert.is(compose(store, ['diff', 'app/one', 'app/two']).status, 0)
  const kinds =
    composed(store, ['provides', 'open/again']).found ?? composed(store, ['provides', 'open/again'])
  assert.match(JSON.stringify(kinds), /"kind":"hardlink"/)
  composed(store, ['export', 'app/two', at('out')])
  bash(
    'cd "$1"; for tar in lower upper; do cat out/*.tar > /dev/null; sha256sum < $tar.tar; done | sort > a; for t in out/*.tar; do sha256sum < "$t"; done | sort > b; cmp a b',
    folder
  )
  bash('rm -r "$1"/objects/*', store)
  const again = composed(store, ['build', at('after.sqfs'), 'app/two', '--bare'])
  assert.is(again.sha256, image.sha256)
  assert.is(compose(store, ['fsck']).status, 0, compose(store, ['fsck']).out)
})

needing(
  links,
  ...NEEDED,
  'umoci',
  'skopeo',
  'podman'
)(
  'images with such layers are taken as umoci and podman unpack them, and each layer that is written unpacks by itself',
  () => {
    const { folder, store } = madeStore()
    bash(
      `cd "$1"; umoci init --layout raw; umoci new --image raw:x
    umoci raw add-layer --image raw:x lower.tar; umoci raw add-layer --image raw:x upper.tar; umoci unpack --image raw:x truth
    skopeo copy --quiet oci:raw:x docker-archive:saved.tar:raw:x`,
      folder
    )
    const truth = portrait(join(folder, 'truth/rootfs/opt'))
    for (const [name, source] of [
      ['layout', 'raw:x'],
      ['saved', 'saved.tar']
    ]) {
      composed(store, ['import', `base/${name}-1`, source], { cwd: folder })
      composed(store, ['build', '--sandbox', join(folder, name), `base/${name}`])
      assert.equal(portrait(join(folder, name, 'opt')), truth, name)
    }
    composed(store, [
      'build',
      join(folder, 'written'),
      'app/two',
      '--bare',
      '--format',
      'oci',
      '--layer-comp',
      'gzip'
    ])
    bash('cd "$1"; umoci unpack --image written:latest unpacked', folder)
    const inodes = (root: string) =>
      bash(
        'cd "$1"; test opt/closed/file -ef opt/open/way; test opt/app/near -ef opt/open/again; test opt/app/lib/big -ef opt/app/near; find opt -printf "%p %n %m %U %G %s\\n" | sort',
        root
      ).toString()
    assert.is(inodes(join(folder, 'unpacked/rootfs')), inodes(join(folder, 'truth/rootfs')))
    for (const layout of ['raw:x', 'written:latest'])
      assert.is(inodes(podmanTree(folder, layout)), inodes(join(folder, 'truth/rootfs')), layout)
    // Engines that keep layers apart unpack each into a folder of its own; GNU tar refuses a link to what is not there.
    const alone = (tar: string) =>
      spawnSync('sh', ['-c', 'cd "$(mktemp -d -p "$1")" && tar -xf "$2"', 'sh', folder, tar]).status
    assert.is.not(alone(join(folder, 'upper.tar')), 0)
    const { layers } = JSON.parse(bash('cd "$1"; skopeo inspect --raw oci:written:latest', folder).toString())
    assert.is(layers.length, 2)
    for (const { digest } of layers)
      assert.is(alone(join(folder, 'written/blobs', digest.replace(':', '/'))), 0)
    composed(store, ['import', 'base/again-1', 'written'], { cwd: folder })
    assert.is(compose(store, ['diff', 'base/again', 'app/one']).status, 0)
  }
)

/** The folder of an image's tree in podman's `vfs` driver, whose storage is in `folder`: podman takes no long name for its runroot. */
function podmanTree(folder: string, layout: string): string {
  return bash(
    `cd "$1"; podman() { command podman --storage-driver vfs --root "$PWD/p" --runroot "$PWD/r" "$@"; }
    id=$(podman pull --quiet "oci:$2"); podman image mount "$id"`,
    folder,
    layout
  )
    .toString()
    .trim()
}

links(
  'a link that no lower layer answers is refused with its path and its target, and nothing is published',
  () => {
    const folder = scratch()
    const store = join(folder, 'store')
    composed(store, ['init', '--level', '1'])
    bash(
      `cd "$1"; mkdir -p t/a t/b; echo 1 > t/a/x; ln t/a/x t/b/y; echo 2 > t/a/other
    tar -C t -cf lower.tar a/other; tar -C t -cf upper.tar a/x b; tar --delete -f upper.tar a/x; tar -C t -cf right.tar a/x`,
      folder
    )
    const tars = (...names: string[]) => names.map(name => join(folder, `${name}.tar`))
    const missing = composeFails(store, ['import', 'app/m-1', ...tars('lower', 'upper')], 20)
    assert.is(
      missing.message,
      'app/m-1: member b/y is a hard link to a/x, which neither its layer nor a lower one of the module holds'
    )
    const first = composeFails(store, ['import', 'app/m-1', ...tars('upper', 'right')], 20)
    assert.match(
      first.message,
      /upper\.tar: member b\/y is a hard link to a\/x, which the archive does not hold/
    )
    assert.match(first.hint!, /LOWER\.tar UPPER\.tar/)
    assert.is(compose(store, ['show', 'app/m']).status, 14)
    const { layers } = composed(store, ['import', 'app/m-1', ...tars('right', 'upper')])
    // The upper layer alone, as a list of bare layers can name it.
    const bare = compose(store, ['build', join(folder, 'bare.sqfs'), '-'], {
      input: Buffer.from(`${layers[1].id}\n`)
    })
    assert.is(bare.status, 20, bare.err)
    assert.match(bare.err, /hard link to a\/x/)
  }
)

needing(links, ...NEEDED)('a file that nobody can read cannot be read by its other name either', () => {
  const { folder, store } = madeStore()
  const shown = (name: string, ...audience: string[]) => {
    const out = join(folder, `${name}.${audience.length}.sqfs`)
    composed(store, ['build', out, `app/${name}`, '--bare', ...audience])
    return compose(store, ['ls', '-l', '-R', out]).out
  }
  for (const audience of [[], ['--for', 'group:42'], ['--for', 'user:4343:100:100']])
    assert.is(shown('two', ...audience), shown('one', ...audience), audience.join(' '))
})

links.run()
