import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readEverything } from '../../../compose/inspect/read-everything.ts'
import { ImageReader } from '../../../compose/squashfs/reader.ts'
import { EXIT_STATUS, StrataError } from '../../../store/values/errors.ts'
import { everyForm, portrait, sha256OfFile } from '../../helpers/layers.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize, someOf } from '../../helpers/size.ts'
import { smallStack } from '../../helpers/small-stack.ts'
import { suite } from '../../helpers/suite.ts'
import { compose, composed, composeFails } from '../../helpers/warm-compose.ts'
import { portraitOfModule, quickStoreFolder } from './images.ts'

const images = suite('sources: SquashFS images')
const folder = scratch()

const mksquashfs = (tree: string, image: string, ...options: string[]): string => {
  bash('mksquashfs "$@" -noappend -quiet >/dev/null', tree, image, ...options)
  return image
}

const WRITERS = [
  'mksquashfs -comp gzip -b 64K',
  'mksquashfs -comp xz',
  'mksquashfs -comp xz -Xbcj x86,arm -Xdict-size 50% -b 1M',
  'mksquashfs -comp lz4 -Xhc',
  'mksquashfs -comp lz4 -no-fragments',
  'mksquashfs -comp lzo',
  'mksquashfs -comp lzo -Xalgorithm lzo1x_1 -b 4K',
  'mksquashfs -comp lzma',
  'mksquashfs -comp zstd -b 64K'
]

/** An image of a tree with every form of file. */
function imageOf(writer: string, tree: string): string {
  const image = join(scratch(), 'image.sqfs')
  const [, ...options] = writer.split(' ')
  return mksquashfs(tree, image, ...options)
}

for (const writer of someOf(WRITERS, 3))
  needing(
    images,
    'root',
    'mksquashfs',
    'unsquashfs',
    'getfattr'
  )(`of ${writer} become the tree that unsquashfs unpacks`, () => {
    const image = imageOf(writer, everyForm())
    const unpacked = join(scratch(), 'unpacked')
    bash('unsquashfs -quiet -no-progress -d "$2" "$1" >/dev/null', image, unpacked)
    const store = quickStoreFolder()
    const { origin } = composed(store, ['import', 'base/tree-1', image])
    assert.equal(origin, [{ kind: 'image', name: 'image.sqfs', sha256: sha256OfFile(image) }])
    assert.is(portraitOfModule(store, 'base/tree'), portrait(unpacked))
  })

// mmdebstrap calls tar2sqfs like the first of these. unsquashfs cannot read what it makes with lz4.
for (const options of someOf(['-c xz -b 1048576', '-c lzma', '-c lzo'], 1))
  needing(
    images,
    'root',
    'tar2sqfs',
    'unsquashfs',
    'getfattr'
  )(`of tar2sqfs ${options} become the tree that unsquashfs unpacks`, () => {
    const [image, unpacked] = [join(scratch(), 'image.sqfs'), join(scratch(), 'unpacked')]
    bash('tar -C "$1" --sort=name -c . | tar2sqfs -q $2 "$3"', everyForm(), options, image)
    bash('unsquashfs -quiet -no-progress -d "$2" "$1" >/dev/null', image, unpacked)
    const store = quickStoreFolder()
    composed(store, ['import', 'base/tree-1', image])
    assert.is(portraitOfModule(store, 'base/tree'), portrait(unpacked))
  })

needing(
  images,
  'root',
  'mksquashfs',
  'getfattr'
)('of every compressor can be looked into and compared', () => {
  const tree = everyForm()
  const [first, ...others] = ['gzip', 'xz', 'lz4', 'lzo', 'lzma'].map(name =>
    imageOf(`mksquashfs -comp ${name}`, tree)
  )
  const store = quickStoreFolder()
  for (const image of others) {
    assert.is(compose(store, ['diff', first, image]).out, compose(store, ['diff', first, first]).out)
    assert.match(compose(store, ['cat', image, 'etc/numbers']).out, /^1\n2\n/)
  }
})

needing(images, 'mksquashfs')('of a compressor that nobody knows are refused by its number', () => {
  const tree = join(scratch(), 'tree')
  bash('mkdir "$1"; echo x > "$1/file"', tree)
  const image = imageOf('mksquashfs', tree)
  const bytes = readFileSync(image)
  bytes.writeUInt16LE(9, 20)
  writeFileSync(image, bytes)
  const error = composeFails(quickStoreFolder(), ['import', 'base/odd-1', image], EXIT_STATUS.IMAGE_INVALID)
  assert.match(error.message, /compressor 9, wanted one of gzip, zstd, xz, lz4, lzo, lzma/)
})

for (const compressor of someOf(['xz', 'lz4', 'lzo', 'lzma'], 2))
  needing(images, 'mksquashfs')(
    `of ${compressor} that are damaged are read as they were, or refused, and named`,
    () => {
      const tree = join(scratch(), 'tree')
      bash(
        'mkdir "$1"; seq 9000 > "$1/n"; head -c 20000 /dev/urandom > "$1/r"; head -c 50000 /dev/zero > "$1/z"',
        tree
      )
      const whole = readFileSync(imageOf(`mksquashfs -comp ${compressor} -b 16K`, tree))
      let refused = 0
      const step = bySize(211, 13)
      for (let at = 96; at < whole.length; at += step) {
        const bytes = Buffer.from(whole)
        bytes[at] ^= 1 << (at % 8)
        try {
          readEverything(new ImageReader(at % 2 ? bytes : bytes.subarray(0, at + 4096), 'x.sqfs'))
        } catch (error) {
          assert.instance(error, StrataError, `byte ${at}: ${error}`)
          assert.is((error as StrataError).code, 'IMAGE_INVALID')
          refused++
        }
      }
      assert.ok(refused > 10)
    }
  )

for (const [magic, order, version] of [
  ['hsqs', 'little', [2, 1]],
  ['sqsh', 'big', [2, 1]],
  ['sqsh', 'big', [3, 0]],
  ['shsq', 'little', [3, 1]]
] as const)
  images(`of version ${version.join('.')} in ${order} endian are called that`, () => {
    const path = join(scratch(), 'old.img')
    const bytes = Buffer.alloc(8192)
    bytes.write(magic)
    for (const [i, part] of version.entries())
      if (order === 'big') bytes.writeUInt16BE(part, 28 + 2 * i)
      else bytes.writeUInt16LE(part, 28 + 2 * i)
    writeFileSync(path, bytes)
    const error = composeFails(quickStoreFolder(), ['import', 'base/old-1', path], EXIT_STATUS.IMAGE_INVALID)
    const wanted = `is a SquashFS ${version.join('.')} image in ${order} endian, wanted 4.0 in little endian`
    assert.ok(error.message.includes(wanted), error.message)
    assert.match(error.hint!, 'unsquashfs')
  })

images(
  "of ours give their modules' tree again, with ACLs, and what the records say; building them works",
  () => {
    const { folder: at, store, stackFile } = smallStack()
    const image = join(at, 'image.sqfs')
    const first = composed(store, ['--stack', stackFile, 'build', image, '--for', 'everyone'])
    composed(store, ['import', 'base/again-1', image])
    const second = composed(store, ['build', join(at, 'again.sqfs'), 'base/again'])
    assert.is(second.treeDigest, first.treeDigest)
    const shown = composed(store, ['show', 'base/again'])
    assert.match(JSON.stringify(shown), 'SOLVER_HOME')
    assert.match(JSON.stringify(shown), 'org.example.site')
  }
)

needing(images, 'mksquashfs')(
  'of Apptainer give labels, script, help, recipe and plain variables to the record',
  () => {
    const tree = join(folder, 'apptainer')
    bash(
      `mkdir -p "$1/.singularity.d/env" "$1/opt"; cd "$1/.singularity.d"; echo x > ../opt/file
    printf '{"org.example.a":"1","bad key":"2","n":3}' > labels.json
    printf '#!/bin/sh\\nexec tool "$@"\\n' > runscript; echo 'How to use it' > runscript.help
    printf 'Bootstrap: docker\\nFrom: alpine\\n' > Singularity
    printf '#!/bin/sh\\nexport TOOL=/opt PATH=/opt/bin:$PATH\\n' > env/90-environment.sh
    printf 'export ONE=1\\nexport HOST=$(hostname)\\n' > env/91-environment.sh
    printf 'echo stock\\n' > env/01-base.sh`,
      tree
    )
    const store = quickStoreFolder()
    const report = composed(store, ['import', 'app/tool-1', mksquashfs(tree, join(folder, 'apptainer.sqfs'))])
    assert.is(report.origin[0].recipe, 'Bootstrap: docker\nFrom: alpine\n')
    assert.match(report.notes.join('\n'), /bad key/)
    assert.match(report.notes.join('\n'), /91-environment\.sh, line 2: "export HOST=\$\(hostname\)"/)
    assert.equal(report.skipped.map(({ path }: { path: string }) => path).sort(), [
      '/.singularity.d/Singularity',
      '/.singularity.d/env/90-environment.sh',
      '/.singularity.d/labels.json',
      '/.singularity.d/runscript',
      '/.singularity.d/runscript.help'
    ])
    const image = join(folder, 'composed.sqfs')
    composed(store, ['build', image, 'app/tool'])
    const cat = (path: string) => compose(store, ['cat', image, path]).out
    assert.is(JSON.parse(cat('.singularity.d/labels.json'))['org.example.a'], '1')
    assert.match(cat('.singularity.d/runscript'), 'exec tool "$@"')
    assert.match(cat('ch/environment'), /^TOOL=\/opt\nPATH=\/opt\/bin:\$PATH\nONE=1\n$/m)
    assert.match(cat('.singularity.d/env/91-environment.sh'), 'hostname')
  }
)

needing(images, 'mksquashfs')('that are cut off publish nothing', () => {
  const tree = join(folder, 'cut')
  bash('mkdir "$1"; head -c 500000 /dev/urandom > "$1/file"', tree)
  const image = mksquashfs(tree, join(folder, 'cut.sqfs'))
  const store = quickStoreFolder()
  writeFileSync(image, readFileSync(image).subarray(0, 300_000))
  assert.is(composeFails(store, ['import', 'base/cut-1', image], 31).code, 'IMAGE_INVALID')
  assert.equal(composed(store, ['avail']).modules ?? [], [])
})

needing(images, 'mksquashfs')('with a name that would delete a lower path are refused', () => {
  const tree = join(folder, 'whiteout')
  bash('mkdir -p "$1/opt"; echo x > "$1/opt/.wh.file"', tree)
  const image = mksquashfs(tree, join(folder, 'whiteout.sqfs'))
  const { code, message } = composeFails(quickStoreFolder(), ['import', 'base/w-1', image], 26)
  assert.is(code, 'PATH_RESERVED')
  assert.match(message, '/opt/.wh.file')
})

images.run()
