import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { linkImage } from '../../../compose/link/link-image.ts'
import { mergeLayers } from '../../../compose/merge/merge-layers.ts'
import type { StackLayer } from '../../../compose/merge/stack.ts'
import { PARTITION_START } from '../../../compose/sif/sif-layout.ts'
import { STORED_RAW } from '../../../store/object/layer-index.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { keepMode, PROFILE, stackOf } from '../helpers/compile.ts'
import { mounted } from '../helpers/observed-tree.ts'
import { layer } from '../helpers/tar-layer.ts'

/** On a file system that shares blocks: an XFS in a file, which takes no room for what is not written. */
const clone = suite('link: cloning')

const folder = scratch()
const xfs = join(folder, 'xfs')

async function onXfs(work: () => Promise<void>): Promise<void> {
  bash('truncate -s 20G "$1.img"; mkfs.xfs -q "$1.img"; mkdir -p "$1"; mount -o loop "$1.img" "$1"', xfs)
  try {
    await work()
  } finally {
    bash('umount "$1"; rm "$1.img"', xfs)
  }
}

const link = (layers: StackLayer[], target: string, data: (number | Uint8Array)[], startInFile = 0) =>
  linkImage(mergeLayers(layers), data, { target, startInFile, modeOf: keepMode, sync: false })

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

needing(
  clone,
  'root',
  'mkfs.xfs',
  'mount'
)('cloned and copied images are the same bytes', async () => {
  const pseudo = (seed: number, bytes: number) => {
    const out = Buffer.alloc(bytes)
    for (let i = 0, state = seed; i < bytes; i += 4) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      out.writeUInt32LE(state, i)
    }
    return out
  }
  const lower = await layer(
    'd/',
    ['d/a', { content: pseudo(1, 3_000_000) }],
    ['d/gone', { content: pseudo(2, 500_000) }],
    ['d/c', { content: pseudo(3, 4_000_000) }]
  )
  const upper = await layer('d/', 'd/.wh.gone=', ['d/e', { content: pseudo(4, 2_500_000) }])
  const layers = stackOf([
    { ...lower, module: 0 },
    { ...upper, module: 0 }
  ])
  const onDisk = async (at: string, startInFile = 0) => {
    const fds = [lower, upper].map(({ data }, i) => {
      writeFileSync(`${at}.${i}`, data as Buffer)
      return openSync(`${at}.${i}`, 'r')
    })
    const report = await link(layers, `${at}.sqfs`, fds, startInFile)
    fds.forEach(fd => {
      closeSync(fd)
    })
    return report
  }
  const copied = await onDisk(join(folder, 'plain'))
  await onXfs(async () => {
    const cloned = await onDisk(join(xfs, 'shared'))
    assert.is(copied.clonedBytes, 0)
    assert.ok(cloned.clonedBytes > 9_000_000, `${cloned.clonedBytes} bytes were cloned`)
    assert.is(cloned.clonedBytes + cloned.copiedBytes, copied.copiedBytes)
    assert.is(sha256(join(xfs, 'shared.sqfs')), sha256(join(folder, 'plain.sqfs')))
    // Behind the header of a SIF file.
    const inSif = await onDisk(join(xfs, 'behind'), PARTITION_START)
    assert.is(inSif.clonedBytes, cloned.clonedBytes)
    const [behind, plain] = ['behind', 'shared'].map(name => readFileSync(join(xfs, `${name}.sqfs`)))
    assert.ok(behind.subarray(PARTITION_START).equals(plain))
  })
})

needing(
  clone,
  'root',
  'mkfs.xfs',
  'mount',
  'unsquashfs'
)('blocks and fragments behind 4 GiB are found', async () => {
  const first = await layer(['large', { content: Buffer.alloc(PROFILE.blockSize, 'x') }])
  const second = await layer(
    ['behind', { content: Buffer.alloc(PROFILE.blockSize + 500, 'y') }],
    'tail=small'
  )
  // 4.5 GiB that are stored, not skipped, as raw blocks of a data file that is all hole.
  const blocks = 36_864
  const sizeBytes = blocks * PROFILE.blockSize
  const index = {
    ...first.index,
    contentSize: Float64Array.of(sizeBytes),
    contentStart: Float64Array.of(0),
    contentFirstBlock: Uint32Array.of(0),
    contentFragment: Uint32Array.of(0xffffffff),
    blockStored: new Uint32Array(blocks).fill(PROFILE.blockSize | STORED_RAW),
    dataBytes: sizeBytes
  }
  await onXfs(async () => {
    const data = join(xfs, 'data')
    bash('truncate -s "$2" "$1"', data, String(sizeBytes))
    const fd = openSync(data, 'r')
    const image = join(xfs, 'large.sqfs')
    const report = await link(stackOf([{ ...first, index }, second]), image, [fd, second.data])
    closeSync(fd)
    assert.is(report.clonedBytes, sizeBytes)
    mounted(image, join(folder, 'mnt'), root => {
      assert.is(bash('stat -c %s "$1/large"', root).toString().trim(), String(sizeBytes))
      assert.is(bash('tail -c 3 "$1/behind"; cat "$1/tail"', root).toString(), 'yyysmall')
      assert.is(bash('tr -d y < "$1/behind" | wc -c', root).toString().trim(), '0')
    })
    assert.is(bash('unsquashfs -cat "$1" tail', image).toString(), 'small')
  })
})

clone.run()
