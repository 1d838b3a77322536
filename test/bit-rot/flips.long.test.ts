import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { fsck } from '../../store/fsck/check-store.ts'
import { randomOf } from '../compose/helpers/random-layer.ts'
import { needing } from '../helpers/needs.ts'
import { bySize } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { flipsOf, isFound, readAfter, readOut, rottenStore, someOf } from './rotten-store.ts'

/** Samples; `node dist/test/bit-rot/run.js --all` changes each byte of small files, 10,000 of large ones. */
const READ_FLIPS = bySize(60, 400)
const FSCK_FLIPS = bySize(12, 80)

const rot = suite('bit rot: changed bytes')
const test = needing(rot, 'root')

test('whoever reads gets an error or the right bytes, never wrong ones', async () => {
  const rotten = await rottenStore(200_000)
  const wanted = await readOut(rotten.store, join(rotten.folder, 'image'))
  const flips = flipsOf(rotten, 4096, 100).filter(({ file }) => file !== 'store.json')
  const outcomes = { refused: 0, 'the same': 0, wrong: 0 }
  for (const flip of someOf(flips, READ_FLIPS, randomOf(2))) {
    const outcome = await readAfter(rotten, flip, wanted)
    assert.is.not(outcome, 'wrong', JSON.stringify(flip))
    outcomes[outcome]++
  }
  // A hash that only fsck compares, or padding: the bytes that are read are right.
  assert.ok(outcomes.refused > 0.9 * READ_FLIPS, JSON.stringify(outcomes))
  assert.is(await readOut(rotten.store, join(rotten.folder, 'image')), wanted, 'all flips were taken back')
})

test('fsck finds every one', async () => {
  const rotten = await rottenStore(200_000)
  const flips = flipsOf(rotten, 4096, 100).filter(({ file }) => file !== 'store.json')
  for (const flip of someOf(flips, FSCK_FLIPS, randomOf(3)))
    assert.ok(await isFound(rotten, flip), JSON.stringify(flip))
  assert.equal((await fsck(rotten.store)).findings, [])
})

rot.run()
