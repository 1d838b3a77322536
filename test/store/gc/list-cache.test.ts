import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { cacheGarbage } from '../../../store/gc/list-cache.ts'
import type { Reach } from '../../../store/gc/reach.ts'
import { newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const list = suite('packed layers: what may go')

list('a note that is removed while others are looked at is gone, and no failure', async () => {
  const store = await newStore()
  const notes = ['0', '1'].map(digit => `oci/zstd-1-128k-2-zstd/ab/${digit.repeat(62)}.json`)
  mkdirSync(join(store.root, dirname(notes[0])), { recursive: true })
  for (const note of notes) writeFileSync(join(store.root, note), 'damaged')
  const reach = { layers: new Set() } as unknown as Reach
  const found: string[] = []
  for await (const { path } of cacheGarbage(store, reach, { dropAll: false, nowNs: 0n })) {
    if (found.length === 0) rmSync(join(store.root, notes[notes[0] === path ? 1 : 0]))
    found.push(path)
  }
  assert.equal(found.sort(), notes)
})

list.run()
