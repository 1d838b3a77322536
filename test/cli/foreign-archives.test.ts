import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as assert from 'uvu/assert'
import type { AttributeCount } from '../../store/acl/attribute-tally.ts'
import { needing } from '../helpers/needs.ts'
import { LayoutMaker, named } from '../helpers/oci-layout.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { archive, END, file, header, pax } from '../helpers/tar-make.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

/** Archives of other programs that break rules, imported as users do. test/CREDITS.md names their sources. */

const foreign = suite('cli: archives by other programs')

const folder = scratch()
const store = join(folder, 'store')
composed(store, ['init', '--level', '1'])

function packed(name: string, bytes: Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

/** macOS's tar writes each attribute twice, the second time with a name escaped as in a URL. */
const byMac = (name: string, value: string): Record<string, string> => ({
  [`LIBARCHIVE.xattr.${encodeURIComponent(name)}`]: Buffer.from(value, 'latin1').toString('base64'),
  [`SCHILY.xattr.${name}`]: value
})

const MAC = packed(
  'mac.tar',
  archive(
    pax({ 'LIBARCHIVE.creationtime': '1700000000', ...byMac('com.apple.provenance', '\x01\x02\0\xa5') }),
    header({ name: 'dir/', type: '5', mode: '0000755\0' }),
    pax({
      ...byMac('com.apple.provenance', '\x01\x02\0\xa5'),
      ...byMac('com.apple.lastuseddate#PS', 'x\0y')
    }),
    file('dir/file', 'content'),
    pax({ ...byMac('user.kept', 'v') }),
    file('dir/other', 'content')
  )
)

foreign(
  'what macOS packs loses the attributes that no Linux has, with their number, and keeps the others',
  () => {
    const { layers } = composed(store, ['import', 'base/mac-1', MAC])
    assert.equal(
      layers[0].leftOutAttributes.map(({ name, paths }: AttributeCount) => [name, paths]),
      [
        ['com.apple.lastuseddate#PS', 1],
        ['com.apple.provenance', 2]
      ]
    )
    assert.is(layers[0].attributePaths, 1)
    const said = compose(store, ['import', 'base/mac-1', MAC])
    assert.match(said.out, 'com.apple.provenance, outside of what Linux can store: 2 paths, such as dir')
    const { code, message, hint } = composeFails(store, ['import', 'base/mac-2', MAC, '--strict'], 24)
    assert.is(code, 'ATTRIBUTE_INVALID')
    assert.match(
      message,
      'dir: attribute com.apple.provenance (outside of what Linux can store) is in no layer'
    )
    assert.match(hint!, 'without --strict')
  }
)

const ODD = packed(
  'odd.tar',
  Buffer.concat([
    header({ name: 'dir/', type: '5', mode: '0000755\0', size: 512 }),
    file('dir/file', 'content'),
    END,
    Buffer.from('Hello, world!\n')
  ])
)

foreign('an archive against the rules is published with a notice, and exported byte for byte', () => {
  const { layers } = composed(store, ['import', 'base/odd-1', ODD])
  assert.equal(layers[0].oddities, [
    { kind: 'unused-size', count: 1, offset: 0, path: '/dir' },
    { kind: 'bytes-behind-end', count: 1, offset: 2560 }
  ])
  const said = compose(store, ['import', 'base/odd-1', ODD])
  assert.match(
    said.out,
    /violations of the rules of tar, read as other programs read them: 2\n +a link, directory or device/
  )
  composed(store, ['export', 'base/odd', join(folder, 'out')])
  assert.ok(readFileSync(join(folder, 'out/layer.tar')).equals(readFileSync(ODD)))
  composed(store, ['fsck'])
  assert.is(composeFails(store, ['import', 'base/odd-2', ODD, '--strict'], 20).code, 'TAR_INVALID')
})

foreign('an archive that is cut off inside a member stays an error, with and without --strict', () => {
  const cut = packed('cut.tar', file('a', 'x'.repeat(2000)).subarray(0, 1536))
  for (const strict of [[], ['--strict']]) {
    const { code, message } = composeFails(store, ['import', 'base/cut-1', cut, ...strict], 20)
    assert.is(code, 'TAR_INVALID')
    assert.match(message, '976 bytes are missing')
  }
})

/** An eStargz archive keeps the whole tar with its end, and adds a table of contents after it. */
const STARGZ = Buffer.concat([
  archive(header({ name: 'dir/', type: '5', mode: '0000755\0' }), file('dir/file', 'content')),
  file('stargz.index.json', '{"version":1,"entries":[]}'),
  END
])

function stargzLayout(): string {
  const made = new LayoutMaker(join(folder, 'stargz'))
  const halves = [STARGZ.subarray(0, 2560), STARGZ.subarray(2560)].map(half => gzipSync(half))
  const layer = made.blob('application/vnd.oci.image.layer.v1.tar+gzip', Buffer.concat(halves))
  made.index(named(made.image([STARGZ], { manifest: { layers: [layer] } }), 'it'))
  return made.folder
}

needing(
  foreign,
  'root',
  'umoci'
)(
  'a layer with members behind its end has what umoci unpacks, and stays the blob that its config names',
  () => {
    const layout = stargzLayout()
    const { layers } = composed(store, ['import', 'base/stargz-1', layout, '--platform', 'linux/amd64'])
    assert.equal(layers[0].oddities, [{ kind: 'members-behind-end', count: 1, offset: 2560 }])
    composed(store, ['build', '--sandbox', join(folder, 'sandbox'), '--bare', 'base/stargz'])
    bash('umoci unpack --image "$1:it" "$2"', layout, join(folder, 'bundle'))
    const listed = (path: string) =>
      bash('cd "$1"; find . -name .compose -prune -o -print | sort', path).toString()
    assert.is(listed(join(folder, 'sandbox')), listed(join(folder, 'bundle/rootfs')))
    composed(store, ['export', 'base/stargz', join(folder, 'stargz-out')])
    assert.ok(readFileSync(join(folder, 'stargz-out/layer.tar')).equals(STARGZ))
    const args = ['import', 'base/stargz-2', layout, '--platform', 'linux/amd64', '--strict']
    assert.is(composeFails(store, args, 20).code, 'TAR_INVALID')
  }
)

foreign('the same bytes as a tarball are refused: somebody may have joined two archives', () => {
  const path = packed('joined.tar', STARGZ)
  const { code, message } = composeFails(store, ['import', 'base/joined-1', path], 20)
  assert.is(code, 'TAR_INVALID')
  assert.match(message, 'another archive begins behind the end')
})

needing(
  foreign,
  'root',
  'umoci'
)('a layer that was taken once is compiled again from the store', () => {
  const [first, again] = ['first.sqfs', 'again.sqfs'].map(name => join(folder, name))
  composed(store, ['build', first, 'base/stargz'])
  bash('rm -r "$1"/objects/*', store)
  composed(store, ['build', again, 'base/stargz'])
  assert.ok(readFileSync(again).equals(readFileSync(first)))
})

foreign.run()
