/** How the parts of a data file are shared out among blobs, with part lists of many lengths. */
import { createHash } from 'node:crypto'
import * as assert from 'uvu/assert'
import type { Part } from '../../../store/object/part-list.ts'
import { decodeData, encodeParts, groupParts } from '../../../store/remote/data-blobs.ts'
import type { Digest } from '../../../store/values/digest.ts'
import { bytesOf } from '../../../store/values/index.ts'
import { suite } from '../../helpers/suite.ts'

const tests = suite('remote: blobs of data files')

const MIB = 1 << 20
const BLOCK_BYTES = 128 << 10

/** Lengths of parts as imports cut them: of files that cannot be packed, that pack to a third, and all of the largest. */
const LENGTHS: Record<string, (random: number) => number> = {
  'of incompressible files': random => partBytes(BLOCK_BYTES, random),
  'of files that pack well': random => partBytes(BLOCK_BYTES / 3, random),
  'of the largest size': () => 8 * MIB
}

/** From 512 KiB on, one block in 16 ends a part. */
const partBytes = (blockBytes: number, random: number): number => {
  const blocks = Math.ceil((512 << 10) / blockBytes) + Math.floor(Math.log(random) / Math.log(15 / 16))
  return Math.min(8 * MIB, Math.round(blocks * blockBytes))
}

const hashOf = (text: string): Digest => createHash('sha256').update(text).digest('hex') as Digest

/** The same parts for the same seed, with others where `change` says so. */
function partsOf(bytes: number, lengthOf: (random: number) => number, seed = ''): Part[] {
  const parts: Part[] = []
  for (let start = 0, i = 0; start < bytes; i++) {
    const sha256 = hashOf(`${seed} ${i}`)
    const random = (Number.parseInt(sha256.slice(-8), 16) + 1) / 2 ** 32
    const lengthBytes = Math.min(lengthOf(random), bytes - start)
    parts.push({ start, lengthBytes, sha256 })
    start += lengthBytes
  }
  return parts
}

const placed = (parts: readonly Part[]): Part[] => {
  let start = 0
  return parts.map(part => {
    start += part.lengthBytes
    return { ...part, start: start - part.lengthBytes }
  })
}

/** What a blob is, whatever place it has in the data file. */
const namesOf = (groups: Part[][]): string[] => groups.map(group => group.map(({ sha256 }) => sha256).join())

for (const [what, lengthOf] of Object.entries(LENGTHS))
  tests(`parts ${what} stay in their order, in blobs of at most twice the mean`, () => {
    for (const mebibytes of [1, 10, 63.9, 64, 65, 100, 127, 128, 200, 256, 480, 512, 800, 1023, 2000, 5000]) {
      const parts = partsOf(Math.floor(mebibytes * MIB), lengthOf)
      const groups = groupParts(parts)
      assert.equal(groups.flat(), parts)
      // Independent of the code: 64 MiB to 128 MiB have blobs of 2 MiB on average, twice as much has twice as large ones.
      const mean = [64, 128, 256, 512].filter(from => mebibytes >= from).length
      const meanBytes = 2 ** mean * MIB
      if (mean === 0) assert.is(groups.length, parts.length, 'each part is a blob')
      for (const group of groups)
        assert.ok(group.length === 1 || bytesOf(group) <= 2 * meanBytes, `${bytesOf(group)} of ${mebibytes}`)
      if (mean > 0 && mebibytes <= 1024 && what !== 'of the largest size')
        assert.ok(
          groups.length >= 20 && groups.length <= 80,
          `${groups.length} blobs of ${mebibytes} MiB in ${parts.length} parts`
        )
      // Only the last blob may be less than half of the mean, and one before a part that does not fit any more.
      for (const [i, group] of groups.slice(0, -1).entries())
        if (mean > 0 && bytesOf(group) < meanBytes / 2)
          assert.ok(bytesOf(group) + groups[i + 1][0].lengthBytes > 2 * meanBytes)
    }
  })

tests('a list with other parts in one place has the same blobs before and behind it', () => {
  for (const mebibytes of [90, 110, 150, 400, 700])
    for (const [what, lengthOf] of Object.entries(LENGTHS)) {
      const parts = partsOf(mebibytes * MIB, lengthOf)
      const former = new Set(namesOf(groupParts(parts)))
      for (const share of [0, 0.1, 0.5, 0.9]) {
        const at = Math.floor(parts.length * share)
        const others = partsOf(3 * MIB, lengthOf, `other ${at}`)
        for (const [kind, list] of Object.entries({
          inserted: [...parts.slice(0, at), ...others, ...parts.slice(at)],
          changed: [...parts.slice(0, at), ...others, ...parts.slice(at + others.length)],
          removed: [...parts.slice(0, at), ...parts.slice(at + 2)]
        })) {
          const fresh = groupParts(placed(list)).filter(group => !former.has(namesOf([group])[0]))
          const title = `${mebibytes} MiB ${what}, ${kind} at ${at}`
          assert.ok(fresh.length <= 10, `${title}: ${fresh.length} of ${former.size} blobs are new`)
        }
      }
    }
})

tests('a data file that grows past a power of two has larger blobs, and between them the same ones', () => {
  const lengthOf = LENGTHS['of incompressible files']
  const parts = partsOf(300 * MIB, lengthOf)
  const upTo = (mebibytes: number): string[] => {
    const end = parts.findIndex(({ start }) => start >= mebibytes * MIB)
    return namesOf(groupParts(parts.slice(0, end)))
  }
  const kept = (before: string[], after: string[]) => before.filter(name => after.includes(name)).length
  const [at90, at110, at140, at240] = [90, 110, 140, 240].map(upTo)
  assert.ok(kept(at90, at110) >= at90.length - 1)
  assert.ok(kept(at140, at240) >= at140.length - 1)
  assert.ok(at140.length < at110.length)
})

tests('annotations that an encoder writes are read, and all others are refused by what is wrong', () => {
  const parts = partsOf(5 * MIB, LENGTHS['of files that pack well']).map(({ sha256, lengthBytes }) => ({
    sha256,
    lengthBytes
  }))
  const blob = { sha256: hashOf('blob'), lengthBytes: 5 * MIB }
  assert.equal(decodeData(blob, encodeParts(parts), 'it'), { ...blob, parts })
  assert.equal(decodeData(blob, undefined, 'it'), { ...blob, parts: [blob] })
  const [{ sha256 }] = parts
  const refused = (annotation: unknown, wanted: RegExp, lengthBytes = blob.lengthBytes) => {
    let message = ''
    try {
      decodeData({ ...blob, lengthBytes }, annotation, 'it')
    } catch (error) {
      assert.instance(error, RangeError)
      message = (error as Error).message
    }
    assert.match(message, wanted)
  }
  for (const value of [null, 7, {}, [], [`${sha256}:1`], true]) refused(value, /does not say of which parts/)
  for (const text of [
    ...['', ',', sha256, `${sha256}:`, `${sha256}:0`, `${sha256}:01`, `${sha256}:-1`, `${sha256}:1e3`],
    ...[`${sha256}:1.5`, `${sha256}:99999999999`, `${sha256.slice(1)}:1`, `${sha256.toUpperCase()}:1`],
    ...[`${encodeParts(parts)},`, `,${encodeParts(parts)}`, ` ${encodeParts(parts)}`, `${sha256}:1\n`],
    ...[`sha256:${sha256}:1`, `${sha256}:0x10`, `${sha256}:١`]
  ])
    refused(text, /names a part/)
  refused(`${sha256}:4294967296`, /data of 4294967296 bytes/)
  refused(encodeParts(parts.slice(1)), /has 5242880 bytes, and its parts \d+/)
  refused(encodeParts([...parts, parts[0]]), /has 5242880 bytes, and its parts \d+/)
  refused(undefined, /data of 0 bytes/, 0)
  refused(encodeParts(parts.slice(0, 2)), /has 0 bytes, and its parts \d+/, 0)
  refused(`${sha256}:${blob.lengthBytes}`, /is one part/)
})

tests.run()
