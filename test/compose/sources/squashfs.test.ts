import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openSquashfsSource } from '../../../compose/sources/squashfs.ts'
import { EXIT_STATUS } from '../../../store/values/errors.ts'
import { DEFAULT_LIMITS } from '../../../store/values/limits.ts'
import { compose, composed, composeFails } from '../../helpers/compose.ts'
import { everyForm, portrait, sha256OfFile } from '../../helpers/layers.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { smallStack } from '../../helpers/small-stack.ts'
import { newStore } from '../../helpers/stores.ts'
import { portraitOfModule, quickStoreFolder } from './images.ts'

const images = suite('sources: SquashFS images')
const folder = scratch()

const mksquashfs = (tree: string, image: string, ...options: string[]): string => {
  bash('mksquashfs "$@" -noappend -quiet >/dev/null', tree, image, ...options)
  return image
}

for (const compressor of ['gzip', 'zstd'])
  needing(
    images,
    'root',
    'mksquashfs',
    'unsquashfs',
    'getfattr'
  )(`of ${compressor} become the tree that unsquashfs unpacks`, () => {
    const image = mksquashfs(
      everyForm(),
      join(folder, `${compressor}.sqfs`),
      '-comp',
      compressor,
      '-b',
      '64K'
    )
    const unpacked = join(folder, compressor)
    bash('unsquashfs -quiet -no-progress -d "$2" "$1" >/dev/null', image, unpacked)
    const store = quickStoreFolder()
    const { origin } = composed(store, ['import', 'base/tree-1', image])
    assert.equal(origin, [{ kind: 'image', name: `${compressor}.sqfs`, sha256: sha256OfFile(image) }])
    assert.is(portraitOfModule(store, 'base/tree'), portrait(unpacked))
  })

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

for (const compressor of ['xz', 'lzo', 'lz4'])
  needing(
    images,
    'mksquashfs',
    'sqfs2tar'
  )(`of ${compressor} are refused by that name, with a way that works`, async () => {
    const tree = join(folder, `of-${compressor}`)
    bash('mkdir "$1"; echo x > "$1/file"', tree)
    const image = mksquashfs(tree, join(folder, `${compressor}.sqfs`), '-comp', compressor)
    const options = { limits: DEFAULT_LIMITS, kind: 'base' as const }
    const wanted = new RegExp(`is compressed with ${compressor}, wanted gzip or zstd`)
    const { hint } = await refusedLater(
      openSquashfsSource(await newStore(), image, options),
      'IMAGE_INVALID',
      wanted
    )
    assert.match(hint!, 'sqfs2tar')
    assert.match(bash('sqfs2tar "$1" 2>/dev/null | tar -t', image).toString(), 'file')
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
