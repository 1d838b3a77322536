/** Packages and what they are packed in: .deb (ar, control), .rpm (headers, cpio). */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { IdNames } from '../../../store/accounts/id-names.ts'
import type { ModuleSource } from '../../../store/import/module-source.ts'
import { ByteStream } from '../../../store/package/byte-stream.ts'
import { readCpioHeader } from '../../../store/package/cpio.ts'
import { openDebSource } from '../../../store/package/deb.ts'
import { PackageFile } from '../../../store/package/package-file.ts'
import { openRpmSource } from '../../../store/package/rpm.ts'
import { DEFAULT_LIMITS } from '../../../store/values/limits.ts'
import type { Random } from '../../compose/helpers/random-layer.ts'
import { scratch } from '../../helpers/scratch.ts'
import { archive, file } from '../../helpers/tar-make.ts'
import { deb } from '../deb-make.ts'
import { cpio, makeRpm, rpmParts } from '../rpm-make.ts'
import type { FuzzTarget } from '../target.ts'
import { changedText, EDGES, pick } from './bytes.ts'

const LIMITS = { ...DEFAULT_LIMITS, totalBytes: 1 << 26, entries: 10_000 }
const MOST_BYTES = 1 << 26

const folder = scratch()

/** Reads everything that a source yields. Its layers end, whatever it declares. */
async function readAll(source: ModuleSource): Promise<void> {
  try {
    for await (const { chunks } of source.layers) {
      let sizeBytes = 0
      for await (const chunk of chunks) {
        sizeBytes += chunk.length
        assert.ok(sizeBytes < MOST_BYTES, 'a layer ends')
      }
    }
  } finally {
    await source.close?.()
  }
}

const CONTROL = `Package: tool
Version: 1:2.3-4
Architecture: amd64
Depends: libc6 (>= 2.36),
 libm1 | libm2
Homepage: https://example.org/
Description: tools
 long
`

const WORDS = ['Package', 'Version', ':', 'Depends: a', '\u2028', '\u009b', '2.0', 'data.tar', 'control.tar/']

export const debTarget: FuzzTarget = {
  name: 'deb',
  seeds: () => [
    deb(CONTROL, archive(file('./usr/a', 'x'))),
    deb(CONTROL, archive(file('./usr/a', 'x')), 'control.tar.gz')
  ],
  words: ['`\n', '!<arch>\n', '9999999999', ...WORDS],
  mutate(bytes, random) {
    // Another control file in an archive whose lengths are right.
    return deb(changedText(Buffer.from(CONTROL), random, WORDS).toString('latin1'), bytes.subarray(0, 512))
  },
  async execute(bytes) {
    const path = join(folder, 'fuzz.deb')
    writeFileSync(path, bytes)
    await readAll(await openDebSource(path, { limits: LIMITS }))
  }
}

/** A number in a header, and the signature's hash of that header made right again. */
function changedHeader(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes)
  const parts = rpmParts(copy)
  if (parts === undefined) return copy
  const { start, end, dataStart, digestAt } = parts
  for (let i = 1 + random(3); i > 0; i--) {
    const at =
      random(3) === 0
        ? dataStart + random(Math.max(1, end - dataStart - 4))
        : start + 4 * random((dataStart - start) >> 2)
    if (at >= start && at + 4 <= end) copy.writeUInt32BE(pick(random, EDGES), at)
  }
  copy.write(createHash('sha256').update(copy.subarray(start, end)).digest('hex'), digestAt, 'latin1')
  return copy
}

const names = new IdNames()

export const rpmTarget: FuzzTarget = {
  name: 'rpm',
  seeds: () => [makeRpm()],
  words: ['cap_net_raw=ep', '/../', '07070X', 'TRAILER!!!', '\u009b'],
  mutate: changedHeader,
  async execute(bytes) {
    const path = join(folder, 'fuzz.rpm')
    writeFileSync(path, bytes)
    await readAll(await openRpmSource(path, { limits: LIMITS, names }))
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, 7)
  yield bytes.subarray(7)
}

export const cpioTarget: FuzzTarget = {
  name: 'cpio',
  seeds: () => [
    cpio([['./a', 'abc']]),
    Buffer.concat([Buffer.from('07070X00000000\0\0', 'latin1'), cpio([['./b/c', '']])])
  ],
  words: ['070701', '070702', '07070X', 'TRAILER!!!\0', 'ffffffff', '00001001'],
  async execute(bytes) {
    const path = join(folder, 'fuzz.cpio')
    writeFileSync(path, '')
    const about = await PackageFile.open(path)
    const stream = new ByteStream(once(bytes), about, 'payload')
    try {
      for (let header = await readCpioHeader(stream); header; header = await readCpioHeader(stream)) {
        if (!('name' in header)) continue
        assert.not.match(header.name, /\0/)
        for await (const piece of stream.pieces(header.sizeBytes)) assert.ok(piece.length > 0)
      }
      await stream.finish()
      assert.is(stream.position, bytes.length)
    } finally {
      await stream.close()
      await about.close()
    }
  }
}
