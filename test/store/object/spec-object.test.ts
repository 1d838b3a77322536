import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { compileTar } from '../../../store/import/compile-tar.ts'
import { AS_IT_IS } from '../../../store/import/placement.ts'
import { decodeColumns } from '../../../store/object/column-codec.ts'
import { buildIndex } from '../../../store/object/index-builder.ts'
import {
  DATA_SCHEMA,
  decodeIndex,
  encodeIndex,
  FLAG_IMPLICIT,
  Kind,
  NONE,
  STORED_RAW,
  TREE_SCHEMA,
  WHITEOUT
} from '../../../store/object/layer-index.ts'
import { latin1 } from '../../../store/object/string-table.ts'
import { UNLIMITED } from '../../../store/values/limits.ts'
import { DEFAULT_PROFILE } from '../../../store/values/profile.ts'
import { partsOf } from '../../compose/helpers/compile.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bytesOfDump, specExample, specText } from '../../helpers/spec-example.ts'
import { suite } from '../../helpers/suite.ts'

const document = suite('spec/object.md')

const DOCUMENT = 'object.md'
const tarball = bytesOfDump(specExample('store-layout.md', 'tarball'))
const indexBytes = bytesOfDump(specExample(DOCUMENT, 'index'))

async function compileExample() {
  const root = scratch()
  mkdirSync(join(root, 'tmp'))
  async function* chunks() {
    yield tarball
  }
  const input = { name: 'example', chunks: chunks(), limits: UNLIMITED, placement: AS_IT_IS }
  const compiled = await compileTar(root, DEFAULT_PROFILE, input)
  const bytesOf = ({ path }: { path: string }) => readFileSync(join(root, path))
  const files = {
    data: Buffer.concat([...partsOf(root, compiled.dataFiles)]),
    recipe: bytesOf(compiled.recipeFile)
  }
  await compiled.dataFiles.discard()
  await compiled.recipeFile.discard()
  return {
    ...files,
    index: encodeIndex(buildIndex(compiled.tree, new Map(), compiled.data, DEFAULT_PROFILE))
  }
}

document('shows an index that describes the same tree as the text', () => {
  const index = decodeIndex(indexBytes)
  const { names, entryNameStart, entryNameLength } = index
  const listed = [0, 1].map(i =>
    latin1(names.subarray(entryNameStart[i], entryNameStart[i] + entryNameLength[i]))
  )
  assert.equal(index.profile, DEFAULT_PROFILE)
  assert.equal([...index.kind], [Kind.directory, Kind.file])
  assert.equal([...index.flags], [FLAG_IMPLICIT, 0])
  assert.equal([...index.mode], [0o755, 0o640])
  assert.equal([index.uid[1], index.gid[1], index.payload[1]], [1000, 100, 0])
  assert.equal(listed, ['hello', 'old'])
  assert.equal([...index.entryInode], [1, WHITEOUT])
  assert.equal([...index.contentSize], [6, 0])
  assert.equal([...index.contentFragment], [0, NONE])
  assert.equal([index.fragmentStored[0], index.fragmentBytes[0]], [6 | STORED_RAW, 6])
})

document('shows the bytes that the compiler makes of the tarball in spec/store-layout.md', async () => {
  const { index, data, recipe } = await compileExample()
  assert.equal(index, indexBytes)
  assert.equal(data, bytesOfDump(specExample('store-layout.md', 'data')))
  assert.equal(recipe, bytesOfDump(specExample('store-layout.md', 'recipe')))
})

document('lists the columns in the order and with the types that the code has', () => {
  const text = specText(DOCUMENT)
  const listed = (heading: string, end: string) => {
    const section = text.slice(text.indexOf(heading), text.indexOf(end))
    return [...section.matchAll(/^\| (`[^|]+) \| (\w+) \|/gm)].flatMap(([, names, type]) =>
      [...names.matchAll(/`(\w+)`/g)].map(([, name]) => [name, type])
    )
  }
  assert.equal(listed('### Tree', '### Tables'), Object.entries(TREE_SCHEMA))
  assert.equal(listed('### Tables', '## Data'), Object.entries(DATA_SCHEMA))
})

document('shows the bytes of a column file of two columns', () => {
  const [first, second] = [32, 40] // two pairs of doubles, then a column of 2 bytes and its gap
  const bytes = Buffer.from(new ArrayBuffer(48))
  for (const [i, value] of [first, 2, second, 8].entries()) bytes.writeDoubleLE(value, 8 * i)
  bytes.set([7, 8], first)
  bytes.writeDoubleLE(-1.5, second)
  const { a, b } = decodeColumns({ a: 'u8', b: 'f64' }, bytes)
  assert.equal([[...a], [...b]], [[7, 8], [-1.5]])
  bytes.writeDoubleLE(16, 24)
  assert.throws(() => decodeColumns({ a: 'u8', b: 'f64' }, bytes), /column b does not lie within the file/)
})

document.run()
