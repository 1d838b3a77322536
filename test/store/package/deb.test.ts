import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { openDebSource } from '../../../store/package/deb.ts'
import { DEFAULT_LIMITS } from '../../../store/values/limits.ts'
import { sha256OfFile } from '../../helpers/layers.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { readTar } from '../../helpers/tar-read.ts'

const debs = suite('package: .deb')
const folder = scratch()

/** A package that dpkg-deb builds. */
function build(compressor: string): string {
  const path = join(folder, `tool-${compressor}.deb`)
  bash(
    `tree=$(mktemp -d); mkdir -p "$tree/DEBIAN" "$tree/opt/tool" "$tree/etc"
    seq 1000 > "$tree/opt/tool/numbers"; ln -s numbers "$tree/opt/tool/link"; echo a > "$tree/etc/tool.conf"
    ln "$tree/opt/tool/numbers" "$tree/opt/tool/hard"; chmod 750 "$tree/opt/tool"
    cat > "$tree/DEBIAN/control" <<END
Package: libtool++1
Version: 1:2.3-4
Architecture: amd64
Maintainer: Nobody <nobody@example.org>
Depends: libc6 (>= 2.36),
 libm1 | libm2
Homepage: https://example.org/
Description: tools for everyone
 A long text.
 .
 With a second paragraph.
END
    echo /etc/tool.conf > "$tree/DEBIAN/conffiles"
    printf '#!/bin/sh\\ntouch /tmp/never\\n' > "$tree/DEBIAN/postinst"; chmod 755 "$tree/DEBIAN/postinst"
    dpkg-deb --root-owner-group -Z"$1" --build "$tree" "$2" >/dev/null; rm -r "$tree"`,
    compressor,
    path
  )
  return path
}

const open = (path: string) => openDebSource(path, { limits: DEFAULT_LIMITS })

async function layerTar(path: string): Promise<Buffer> {
  const source = await open(path)
  const chunks: Uint8Array[] = []
  for await (const { chunks: tar } of source.layers) for await (const chunk of tar) chunks.push(chunk)
  await source.close?.()
  return Buffer.concat(chunks)
}

for (const compressor of ['none', 'gzip', 'xz', 'zstd'])
  needing(debs, 'dpkg-deb')(`of ${compressor} is the tar that dpkg-deb prints`, async () => {
    const path = build(compressor)
    const tar = await layerTar(path)
    assert.ok(tar.equals(bash('dpkg-deb --fsys-tarfile "$1"', path)))
    assert.ok(readTar(tar).members.some(({ kind }) => kind === 'hardlink'))
  })

needing(debs, 'dpkg-deb')(
  'gives the facts of its control file, and says which scripts are not run',
  async () => {
    const path = build('xz')
    const { described, layers, notes, close } = await open(path)
    assert.is(described!.summary, 'tools for everyone')
    assert.equal(described!.labels, {
      'org.debian.package.libtool__1': '1:2.3-4 amd64',
      'org.debian.depends.libtool__1': 'libc6 (>= 2.36), libm1 | libm2',
      'org.debian.homepage.libtool__1': 'https://example.org/'
    })
    assert.match(notes!.join('\n'), 'maintainer scripts are not run: postinst')
    assert.match(notes!.join('\n'), '/etc/tool.conf')
    for await (const layer of layers)
      assert.equal(layer.origin(undefined as never), {
        kind: 'package',
        name: 'tool-xz.deb',
        sha256: sha256OfFile(path),
        packages: [{ name: 'libtool++1', version: '1:2.3-4', architecture: 'amd64' }]
      })
    await close!()
  }
)

/** Members of a good package put together in another way by ar. */
function rearranged(order: string): string {
  const path = join(scratch(), 'odd.deb')
  bash(
    `cd "$(mktemp -d)"; ar x "$1"; printf 'GNU' > _note; printf x > later; printf '3.0\\n' > three
    mkdir none; tar -czf empty.tar.gz -C none .
    eval "set -- '$2' $3"; ar qcS "$@"`,
    build('gzip'),
    path,
    order
  )
  return path
}

const GOOD = 'debian-binary control.tar.gz data.tar.gz'

const ORDERS: [order: string, message: RegExp][] = [
  [
    'control.tar.gz debian-binary data.tar.gz',
    /first member of a \.deb is debian-binary, found "control\.tar\.gz"/
  ],
  [
    'debian-binary data.tar.gz control.tar.gz',
    /second member of a \.deb is control\.tar, found "data\.tar\.gz"/
  ],
  ['debian-binary control.tar.gz', /third member of a \.deb is data\.tar, found nothing/],
  [
    'debian-binary later control.tar.gz data.tar.gz',
    /second member of a \.deb is control\.tar, found "later"/
  ]
]

for (const [order, message] of ORDERS)
  needing(
    debs,
    'dpkg-deb',
    'ar'
  )(`with members ${order} is refused`, async () => {
    await refusedLater(open(rearranged(order)), 'SOURCE_INVALID', message)
  })

needing(
  debs,
  'dpkg-deb',
  'ar'
)('may have members of later formats, where deb(5) allows them', async () => {
  const { notes, close } = await open(
    rearranged('debian-binary _note control.tar.gz _note data.tar.gz later')
  )
  assert.match(notes!.join('\n'), 'members behind data.tar are left out: later')
  await close!()
})

needing(
  debs,
  'dpkg-deb',
  'ar'
)('of another version, or without a control file, is refused', async () => {
  const three = readFileSync(rearranged(GOOD))
  const at = three.indexOf('2.0\n')
  three.write('3', at, 'latin1')
  const path = join(scratch(), 'three.deb')
  writeFileSync(path, three)
  await refusedLater(open(path), 'SOURCE_INVALID', /debian-binary at byte 68: version "3\.0", wanted 2\.0/)
  const bare = join(scratch(), 'bare.deb')
  bash(
    `cd "$(mktemp -d)"; ar x "$1"; mkdir none; tar -czf control.tar.gz -C none .
    ar qcS "$2" debian-binary control.tar.gz data.tar.gz`,
    rearranged(GOOD),
    bare
  )
  await refusedLater(open(bare), 'SOURCE_INVALID', /control\.tar\.gz holds no file "control"/)
})

needing(debs, 'dpkg-deb')('that is cut off is refused wherever the cut is', async () => {
  const whole = readFileSync(build('xz'))
  for (const length of [4, 30, 70, 100, 400, whole.length - 50]) {
    const path = join(scratch(), 'cut.deb')
    writeFileSync(path, whole.subarray(0, length))
    await refusedLater(layerTar(path), 'SOURCE_INVALID', /cut\.deb: /)
  }
})

debs.run()
