import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { copyInto, digestOfPath } from '../../../compose/definition/copy-files.ts'
import { copyAside, digestOfItems, itemsOf } from '../../../compose/definition/docker-copy.ts'
import { suite } from '../../helpers/suite.ts'

/** Files that are larger than any buffer of Node.js (spec/definitions.md#dockerfiles). */
const SIZE = (2200 << 20) >>> 0

const large = suite('large files')

large('are copied in pieces, and holes stay holes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'large-'))
  try {
    const [file, place] = [join(folder, 'big'), join(folder, 'to')]
    writeFileSync(file, 'start')
    truncateSync(file, SIZE)
    const before = process.memoryUsage.rss()
    const items = itemsOf(folder, ['big'])
    const digests = digestOfItems(items)
    const copied = copyAside(items, mkdtempSync(place))
    assert.equal(copied.digests, digests)
    copyInto({ tree: folder, followsLinks: true }, file, '/tree/big')
    assert.is(digestOfPath(join(folder, 'tree/big')), digestOfPath(join(folder, 'big')))
    for (const path of [copied.place, join(folder, 'tree/big')]) {
      assert.is(statSync(path).size, SIZE)
      assert.ok(statSync(path).blocks < 10_000)
    }
    assert.ok(process.memoryUsage.rss() - before < 200 << 20)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

large.run()
