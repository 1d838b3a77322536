import * as assert from 'uvu/assert'
import { FORMAT_KEY } from '../../../store/index/database-folder.ts'
import { openDatabase } from '../../../store/index/database-reader.ts'
import { FACTS } from '../../../store/index/facts-keys.ts'
import { openFactsViews } from '../../../store/index/facts-view.ts'
import { decodeModules, encodeModules } from '../../../store/index/modules-file.ts'
import { specExample, specText } from '../../helpers/spec-example.ts'
import { suite } from '../../helpers/suite.ts'
import { databaseOf, indexedStore } from './indexed-store.ts'

const document = suite('spec/index.md')

document('shows a list of modules that is read, and written to the same bytes', () => {
  const bytes = Buffer.from(specExample('index.md', 'modules.json'))
  const modules = decodeModules(bytes)
  const [openmpi] = modules.categories[0].names[0].modules
  assert.equal([openmpi.version, openmpi.family, openmpi.labels], ['4.1.6', 'mpi', { team: 'hpc' }])
  assert.is(modules.layers().get(openmpi.record)?.length, 1)
  assert.is(modules.categories[0].names[0].stamp, null)
  assert.equal(encodeModules(modules), bytes)
})

document('lists every form of key that a database has', async () => {
  const indexed = await indexedStore()
  const db = await openDatabase(databaseOf(indexed), FACTS, false)
  const counts = { format: 0, l: 0, n: 0 }
  try {
    for await (const [key, value] of db.iterator()) {
      const text = Buffer.from(key).toString('latin1')
      if (text === FORMAT_KEY.toString()) {
        assert.equal(Buffer.from(value), FACTS.format)
        counts.format++
      } else if (/^l.{32}$/s.test(text)) {
        assert.ok([36, 68].includes(value.length))
        counts.l++
      } else if (/^n[^\0]{1,255}\0.{4}$/s.test(text)) counts.n++
      else assert.unreachable(`key ${text}`)
    }
  } finally {
    await db.close()
  }
  assert.ok(counts.format === 1 && counts.l === 4 && counts.n >= 10, JSON.stringify(counts))
  for (const key of ['`format`', '`l`, 32 bytes', '`n`, name, 0x00, NUMBER'])
    assert.ok(specText('index.md').includes(`| ${key}`), key)
  const [view] = await openFactsViews(indexed.store.root)
  assert.equal([...view.layers.values()].map(({ number }) => number).sort(), [1, 2, 3, 4])
  await view.close()
})

document.run()
