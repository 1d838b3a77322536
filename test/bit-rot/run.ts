/**
 * The long run: `node dist/test/bit-rot/run.js --all` changes each byte of small files, and 10,000 of the large ones,
 * one at a time; each is read (export, show, build --verify) and looked for by fsck. Without --all a sample, of
 * `--flips N` bytes if that is said.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { randomOf } from '../compose/helpers/random-layer.ts'
import { flipsOf, isFound, readAfter, readOut, rottenStore, someOf } from './rotten-store.ts'

const CONTENT_BYTES = 3_000_000
const SMALL_BYTES = 20_000
const LARGE_FLIPS = 10_000
const SAMPLE = '500'

const { values } = parseArgs({
  options: { all: { type: 'boolean', default: false }, flips: { type: 'string', default: SAMPLE } }
})
const rotten = await rottenStore(CONTENT_BYTES)
const image = join(rotten.folder, 'image')
const wanted = await readOut(rotten.store, image)
const all = flipsOf(rotten, SMALL_BYTES, LARGE_FLIPS).filter(({ file }) => file !== 'store.json')
const flips = values.all ? all : someOf(all, Number(values.flips), randomOf(5))
const counts = { refused: 0, 'the same': 0, wrong: 0 }
let missedByFsck = 0
const started = performance.now()
for (const flip of flips) {
  const outcome = await readAfter(rotten, flip, wanted)
  counts[outcome]++
  if (outcome === 'wrong') console.log(`wrong bytes after ${JSON.stringify(flip)}`)
  if (await isFound(rotten, flip)) continue
  missedByFsck++
  console.log(`fsck missed ${JSON.stringify(flip)}`)
}
const seconds = ((performance.now() - started) / 1000).toFixed(0)
console.log(
  `${flips.length} bytes of ${rotten.files.length} files changed: ${counts.refused} refused when read, ${counts['the same']} read right all the same, ${counts.wrong} wrong bytes given out, ${missedByFsck} missed by fsck, ${seconds} s`
)
process.exitCode = counts.wrong + missedByFsck > 0 ? 1 : 0
