import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { portrait, sha256OfFile } from '../helpers/layers.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { composed } from '../helpers/warm-compose.ts'

const debian = suite('a Debian base')

/** A tarball from `mmdebstrap --variant=minbase`. */
function baseTar(): string {
  const tar = join(scratch(), 'base.tar')
  bash('mmdebstrap --quiet --variant=minbase bookworm "$1"', tar)
  return tar
}

needing(
  debian,
  'root',
  'mmdebstrap',
  'getfacl'
)('goes in and comes back, tarball and tree', () => {
  const tar = baseTar()
  const folder = scratch()
  const store = join(folder, 'store')
  composed(store, ['init', '--level', '1'])
  const [layer] = composed(store, ['import', 'base/debian-12', tar]).layers
  assert.ok(layer.entries > 5000)
  assert.ok(layer.dataBytes < layer.tarBytes / 2)
  composed(store, ['export', 'base/debian', join(folder, 'out')])
  assert.is(sha256OfFile(join(folder, 'out/layer.tar')), sha256OfFile(tar))
  bash(
    `mkdir "$1/want" "$1/got"; tar -C "$1/want" --acls --xattrs --xattrs-include='*' -xpf "$2"
    cd "$1/got"; tar -xpf ../out/layer.tar
    [ ! -e ../out/layer.xattrs ] || setfattr -h --restore=../out/layer.xattrs
    [ ! -e ../out/layer.acl ] || setfacl --restore=../out/layer.acl`,
    folder,
    tar
  )
  assert.is(portrait(join(folder, 'got')), portrait(join(folder, 'want')))
  assert.equal(composed(store, ['fsck']).findings, [])
})

debian.run()
