import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Reach } from '../../../store/gc/reach.ts'
import { cacheGarbage } from '../../../store/layer-cache/list-cache.ts'
import { newStore } from '../../helpers/stores.ts'

const list = suite('packed layers: what may go')

list('a note that is removed while others are looked at is gone, and no failure', async () => {
  const store = await newStore()
  const notes = ['0', '1'].map(digit =>
    join(store.root, 'oci/zstd-1-128k-1-zstd/ab', `${digit.repeat(62)}.json`)
  )
  mkdirSync(dirname(notes[0]), { recursive: true })
  for (const note of notes) writeFileSync(note, 'damaged')
  const reach = { layers: new Set() } as unknown as Reach
  const found: string[] = []
  for await (const { path } of cacheGarbage(store, reach, { dropAll: false, nowNs: 0n })) {
    if (found.length === 0) rmSync(notes[notes[0] === path ? 1 : 0])
    found.push(path)
  }
  assert.equal(found.sort(), notes)
})

list.run()
