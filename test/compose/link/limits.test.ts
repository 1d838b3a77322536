import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { AttributeTable } from '../../../compose/squashfs/attribute-table.ts'
import { MetadataStream } from '../../../compose/squashfs/metadata-stream.ts'
import type { StrataError } from '../../../store/values/errors.ts'
import { atAllSize, atCheckSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { buildImage, compile } from '../helpers/compile.ts'
import { mounted } from '../helpers/observed-tree.ts'
import { layer, tarOf } from '../helpers/tar-layer.ts'

const limits = suite('link: limits')
const long = atCheckSize(limits)

const folder = scratch()

const refusal = async (work: () => unknown): Promise<StrataError> => {
  try {
    await work()
  } catch (error) {
    return error as StrataError
  }
  throw new Error('nothing was refused')
}

atAllSize(needing(limits, 'root', 'mount', 'unsquashfs'))(
  'a directory of 300,000 entries is listed whole and looked up by its index',
  async () => {
    const count = 300_000
    const names = Array.from({ length: count }, (_, i) => `d/entry-with-a-name-${String(i).padStart(6, '0')}`)
    const part = await compile(tarOf(['d/', ...names.map(name => `${name} -> x`)]))
    const image = join(folder, 'many.sqfs')
    await buildImage([part], image)
    mounted(image, join(folder, 'mnt'), root => {
      assert.is(bash('ls -U "$1/d" | wc -l', root).toString().trim(), String(count))
      // Without the index each look-up scans 8 MB: minutes instead of a second.
      bash(
        'cd "$1/d"; for i in $(seq 100000 57 299999); do echo entry-with-a-name-$i; done | timeout 20 xargs stat > /dev/null',
        root
      )
      assert.is(
        bash('cd "$1/d"; ls entry-with-a-name-300000 zzz a 2>&1 | grep -c "No such"; true', root)
          .toString()
          .trim(),
        '3'
      )
    })
    assert.is(bash('unsquashfs -l "$1" | grep -c entry-with', image).toString().trim(), String(count))
  }
)

atCheckSize(needing(limits, 'root', 'mount'))(
  'a file of more than 4 GiB, nearly all hole, has its size, its bytes and few blocks',
  async () => {
    const tar = join(folder, 'sparse.tar')
    bash(
      `cd "$1"; truncate -s 5000000000 big; printf needle | dd of=big bs=1 seek=4500000000 conv=notrunc status=none
    truncate -s 1000000 hole; tar --format=pax --sparse -cf "$2" big hole`,
      folder,
      tar
    )
    const image = join(folder, 'sparse.sqfs')
    await buildImage([await compile(tar)], image)
    mounted(image, join(folder, 'mnt'), root => {
      assert.is(bash('stat -c %s "$1/big" "$1/hole"', root).toString(), '5000000000\n1000000\n')
      assert.is(
        bash('dd if="$1/big" bs=1 skip=4499999999 count=7 status=none | tr "\\0" .', root).toString(),
        '.needle'
      )
      assert.ok(Number(bash('stat -c %b "$1/big"', root)) < 1000)
      assert.is(bash('cmp -n 1000000 "$1/hole" /dev/zero && echo same', root).toString(), 'same\n')
    })
  }
)

long('65,535 owners fit, one more is refused by number', async () => {
  const owned = (count: number) =>
    layer(
      ['./', { uid: 0 }],
      ...Array.from({ length: count - 1 }, (_, i) => [`f${i}/`, { uid: i + 1 }] as [string, object])
    )
  const { report } = await buildImage([await owned(65535)], join(folder, 'ids.sqfs'))
  assert.is(report.inodes, 65535)
  const { code, message } = await refusal(async () =>
    buildImage([await owned(65536)], join(folder, 'ids.sqfs'))
  )
  assert.is(code, 'IMAGE_LIMIT')
  assert.match(message, '65536 different owners')
})

limits('a link target that readers would refuse is an error with its path', async () => {
  const part = await layer('d/', 'd/l -> x')
  const stringPool = new Uint8Array(4096).fill(0x78)
  const index = { ...part.index, stringPool, stringStart: Uint32Array.of(0, 4096) }
  const { code, message } = await refusal(() => buildImage([{ ...part, index }], join(folder, 'target.sqfs')))
  assert.is(code, 'IMAGE_LIMIT')
  assert.match(message, /^\/d\/l: the link target has 4096 bytes/)
})

limits('an attribute that SquashFS cannot store is an error with its name', async () => {
  const table = new AttributeTable()
  const { code, message } = await refusal(() =>
    table.numberOf([[Buffer.from('system.nfs4_acl'), Buffer.alloc(3)]])
  )
  assert.is(code, 'IMAGE_LIMIT')
  assert.match(message, 'attribute system.nfs4_acl cannot be stored')
})

limits('an attribute that stands for an ACL in images is refused in a layer, by path', async () => {
  const part = await layer('d/', 'd/f=1')
  const text = Buffer.from('user.strata.acl.access')
  const index = {
    ...part.index,
    stringPool: text,
    stringStart: Uint32Array.of(0, text.length),
    attributes: Uint32Array.of(0, 0, 1),
    attributeSetStart: Uint32Array.of(0, 1),
    attributeName: Uint32Array.of(0),
    attributeValue: Uint32Array.of(0)
  }
  const { code, message } = await refusal(() =>
    buildImage([{ ...part, index }], join(folder, 'reserved.sqfs'))
  )
  assert.is(code, 'ATTRIBUTE_INVALID')
  assert.match(message, /^\/d\/f: attribute user\.strata\.acl\.access/)
})

limits('a table that is too large for its references is an error with its name', async () => {
  const stream = new MetadataStream('inode table', 16, 3 * 8194)
  stream.reserve(8192)
  const { code, message } = await refusal(() => stream.reserve(3 * 8192))
  assert.is(code, 'IMAGE_LIMIT')
  assert.match(message, 'the inode table would exceed')
})

limits('times before 1970 are moved to 1970, and counted', async () => {
  const part = await layer('a=1', 'b=1')
  const index = { ...part.index, mtimeSeconds: Float64Array.of(0, -5, 2 ** 33) }
  const { report } = await buildImage([{ ...part, index }], join(folder, 'times.sqfs'))
  assert.is(report.clampedTimes, 2)
})

limits.run()
