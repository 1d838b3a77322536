import * as assert from 'uvu/assert'
import { encodeEnd, encodeHeader, paddingBytes } from '../../../store/tar/encode.ts'
import { TarParser } from '../../../store/tar/parser.ts'
import type { EntryKind, TarEntry } from '../../../store/tar/tar-entry.ts'
import { DEFAULT_LIMITS } from '../../../store/values/limits.ts'
import { suite } from '../../helpers/suite.ts'

const roundTrip = suite('tar: encode, then parse')

/** Numbers from a seed, so that a failure can be repeated. */
function generator(seed: number): (limit: number) => number {
  let state = seed
  return limit => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

const KINDS: EntryKind[] = ['file', 'directory', 'symlink', 'hardlink', 'block', 'character', 'fifo']

function randomEntry(below: (limit: number) => number, index: number): TarEntry {
  // Any byte but NUL and `/`; the index keeps names apart and from being `.` or `..`.
  const name = (length: number) =>
    `${index}-${String.fromCharCode(...Array.from({ length }, () => 1 + below(255))).replaceAll('/', '_')}`
  const path = Array.from({ length: 1 + below(6) }, () => name(below(90))).join('/')
  const kind = KINDS[below(KINDS.length)]
  const isDevice = kind === 'block' || kind === 'character'
  const attributes = new Map(
    Array.from({ length: below(3) }, (_, i) => [
      `user.${i}${name(below(20))}%=%25`,
      Buffer.from(name(below(300)), 'latin1')
    ])
  )
  const sizeBytes = kind === 'file' ? below(20_000) : 0
  return {
    path,
    kind,
    mode: below(0o10000),
    uid: below(2 ** 32 - 1),
    gid: below(1000),
    uname: '',
    gname: '',
    mtime: { seconds: below(2 ** 32) - 2 ** 31, nanoseconds: below(2) * below(1e9) },
    sizeBytes,
    linkTarget: kind === 'symlink' || kind === 'hardlink' ? name(below(200)) : '',
    deviceMajor: isDevice ? below(4096) : 0,
    deviceMinor: isDevice ? below(2 ** 20) : 0,
    attributes,
    aclText: {},
    headerOffset: 0,
    runs:
      sizeBytes > 10_000
        ? [
            { offset: 100, lengthBytes: 1 + below(2000) },
            { offset: 5000, lengthBytes: 5000 }
          ]
        : undefined
  }
}

const storedBytes = (entry: TarEntry): number =>
  entry.runs?.reduce((sum, run) => sum + run.lengthBytes, 0) ?? entry.sizeBytes

roundTrip('our strict reader finds every field of 2,000 random entries as it was', () => {
  const below = generator(7)
  const entries = Array.from({ length: 2000 }, (_, index) => randomEntry(below, index))
  const found: TarEntry[] = []
  const contents: number[] = []
  const sink = {
    literal() {},
    entry(entry: TarEntry) {
      found.push(entry)
      contents.push(0)
    },
    data(bytes: Uint8Array) {
      contents[contents.length - 1] += bytes.length
    },
    endEntry() {}
  }
  const parser = new TarParser(sink, { archive: 'round trip', limits: DEFAULT_LIMITS })
  for (const entry of entries) {
    const contentBytes = storedBytes(entry)
    parser.write(
      Buffer.concat([
        encodeHeader(entry),
        Buffer.alloc(contentBytes, 1),
        Buffer.alloc(paddingBytes(contentBytes))
      ])
    )
  }
  parser.write(encodeEnd())
  parser.end()
  assert.equal(contents, entries.map(storedBytes))
  const comparable = (entry: TarEntry) => ({
    ...entry,
    headerOffset: 0,
    attributes: [...entry.attributes]
      .map(([name, value]) => [name, Buffer.from(value).toString('latin1')])
      .sort(),
    runs: (entry.runs ?? []).filter(run => run.lengthBytes > 0)
  })
  for (const [index, entry] of entries.entries()) assert.equal(comparable(found[index]), comparable(entry))
})

roundTrip.run()
