import {
  closeSync,
  copyFileSync,
  fstatSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { appendVerity, readVerityRoot, type Verity } from '../../../compose/verity/index.ts'
import { needing } from '../../helpers/needs.ts'
import { readSifAt } from '../../helpers/read-sif.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { someOf } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { composed, composeFails } from '../../helpers/warm-compose.ts'
import { smallBase } from '../runtime-files/small-base.ts'

/** Hash trees beside those of veritysetup, which is the program that users have (cryptsetup). */
const verity = suite('verity')

const BLOCK = 4096

/** A file of so many blocks, each different, with its tree. */
function hashed(path: string, blocks: number): Verity {
  bash('truncate -s "$2" "$1"', path, String(blocks * BLOCK))
  const fd = openSync(path, 'r+')
  try {
    for (let i = 0; i < blocks; i += 97)
      writeSync(fd, Buffer.from(`block ${i}`), 0, 7, i * BLOCK + (i % 4000))
    const lengthBytes = fstatSync(fd).size
    const made = appendVerity({ fd, startInFile: 0, lengthBytes })
    assert.is(readVerityRoot({ fd, startInFile: 0, lengthBytes }, made.hashStart), made.root)
    return made
  } finally {
    closeSync(fd)
  }
}

for (const blocks of someOf([2, 127, 128, 129, 300, 128 * 128, 128 * 128 + 1], 3))
  needing(verity, 'veritysetup')(`of ${blocks} blocks is, byte for byte, that of veritysetup`, () => {
    const path = join(scratch(), 'image')
    const { root, hashStart, lengthBytes } = hashed(path, blocks)
    assert.equal([hashStart, statSync(path).size], [blocks * BLOCK, lengthBytes])
    const uuid = root.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    const printed = bash(
      'head -c "$2" "$1" > "$1.data"; veritysetup format --salt=- --uuid="$3" "$1.data" "$1.hashes"',
      path,
      String(hashStart),
      uuid
    ).toString()
    assert.is(/Root hash:\s*(\w+)/.exec(printed)?.[1], root)
    assert.ok(readFileSync(`${path}.hashes`).equals(readFileSync(path).subarray(hashStart)))
    bash('veritysetup verify "$1" "$1" "$2" --hash-offset="$3"', path, root, String(hashStart))
  })

needing(verity, 'veritysetup')('a changed byte of an image or its tree is found', () => {
  const path = join(scratch(), 'image')
  const { root, hashStart, lengthBytes } = hashed(path, 300)
  const isWhole = (file: string) =>
    bash(
      'veritysetup verify "$1" "$1" "$2" --hash-offset="$3" > /dev/null 2>&1 && echo yes || echo no',
      file,
      root,
      String(hashStart)
    ).toString()
  assert.is(isWhole(path), 'yes\n')
  for (const at of [0, 5000, hashStart - 1, hashStart + BLOCK, hashStart + 2 * BLOCK, lengthBytes - BLOCK]) {
    copyFileSync(path, `${path}.changed`)
    const fd = openSync(`${path}.changed`, 'r+')
    const byte = Buffer.alloc(1)
    readFileSync(path).copy(byte, 0, at, at + 1)
    writeSync(fd, Buffer.of(byte[0] ^ 1), 0, 1, at)
    closeSync(fd)
    assert.is(isWhole(`${path}.changed`), 'no\n', `byte ${at}`)
  }
})

needing(verity, 'veritysetup')(
  'compose build --verity makes an image like any other, and a lock holds its root',
  () => {
    const folder = scratch()
    const at = (name: string) => join(folder, name)
    const store = at('store')
    composed(store, ['init', '--level', '1'])
    composed(store, ['import', 'base/small-1', smallBase()])
    const plain = composed(store, ['build', at('plain'), 'base/small'])
    const built = composed(store, ['build', '--verity', at('image'), 'base/small'])
    const { root, hashStart } = built.verity
    assert.is(plain.verity, undefined)
    assert.is(built.imageBytes, statSync(at('image')).size)
    bash('veritysetup verify "$1" "$1" "$2" --hash-offset="$3"', at('image'), root, String(hashStart))
    composed(store, ['lock', '--verity', '--image', at('image'), '-o', at('lock'), 'base/small'])
    assert.is(JSON.parse(readFileSync(at('lock'), 'utf8')).verityRoot, root)
    composed(store, ['build', at('again'), at('lock')])
    assert.ok(readFileSync(at('again')).equals(readFileSync(at('image'))))
    composed(store, ['verify', at('image')])
    composed(store, ['verify', at('image'), '--lock', at('lock')])
    truncateSync(at('again'), hashStart)
    composeFails(store, ['verify', at('again')], 41)
    bash('sed -i s/verityRoot.*/verityRoot\\":\\ \\"$2\\"/ "$1"', at('lock'), '0'.repeat(64))
    assert.match(
      composeFails(store, ['build', at('other'), at('lock')], 41).message,
      /the hash tree has sha256:/
    )
    composed(store, ['lock', '-o', at('plain.lock'), 'base/small'])
    assert.match(
      composeFails(store, ['build', '--verity', at('other'), at('plain.lock')], 2).message,
      /no hash tree, but --verity/
    )
  }
)

needing(verity, 'veritysetup')(
  'of an image in a SIF file lies in the partition, which veritysetup verifies',
  async () => {
    const folder = scratch()
    const [store, sif, plain, partition] = ['store', 'image.sif', 'image.sqfs', 'partition'].map(name =>
      join(folder, name)
    )
    composed(store, ['init', '--level', '1'])
    composed(store, ['import', 'base/small-1', smallBase()])
    const built = composed(store, ['build', '--verity', '--format', 'sif', sif, 'base/small'])
    const alone = composed(store, ['build', '--verity', plain, 'base/small'])
    assert.equal(built.verity, alone.verity)
    const { system } = await readSifAt(sif)
    bash(
      'tail -c +$(($2 + 1)) "$1" | head -c "$3" > "$4"; cmp "$4" "$5"',
      ...[sif, String(system!.startInFile), String(system!.lengthBytes), partition, plain]
    )
    const verify = () =>
      bash(
        'veritysetup verify "$1" "$1" "$2" --hash-offset="$3"',
        ...[partition, built.verity.root, String(built.verity.hashStart)]
      )
    verify()
    bash('printf X | dd of="$1" bs=1 seek=5000 conv=notrunc status=none', partition)
    assert.throws(verify)
  }
)

verity.run()
