import * as assert from 'uvu/assert'
import { cachedLayerPath } from '../../../store/files/store-layout.ts'
import { formatNote, parseNote } from '../../../store/layer-cache/cached-note.ts'
import type { Digest } from '../../../store/values/digest.ts'
import { DEFAULT_PROFILE } from '../../../store/values/profile.ts'
import { refused } from '../../helpers/refused.ts'
import { specExample, specText } from '../../helpers/spec-example.ts'
import { suite } from '../../helpers/suite.ts'

const note = suite('packed layer: note')

const DOCUMENT = 'store-layout.md'
const EXAMPLE = specExample(DOCUMENT, 'packed layer')

note("is read and written as in the document's example", () => {
  const parsed = parseNote(EXAMPLE, 'example')
  assert.is(parsed.size, 57_958_187)
  assert.is(parsed.layers.length, 1)
  assert.is(formatNote(parsed), EXAMPLE)
})

note('lies where the document draws it', () => {
  const digest = '789abc'.padEnd(64, '0') as Digest
  const path = cachedLayerPath({ profile: DEFAULT_PROFILE, compression: 'zstd', digest })
  const drawn = path.replace(/0{9,}/, '…')
  for (const ending of ['', '.checked', '.json']) assert.ok(specText(DOCUMENT).includes(`${drawn}${ending} `))
})

const FAULTS: Record<string, object> = {
  'another kind of document': { strata: 'store' },
  'another version': { version: 2 },
  'a hash with an algorithm': { digest: `sha256:${'0'.repeat(64)}` },
  'a hash in capitals': { diffId: 'A'.repeat(64) },
  'a size below zero': { size: -1 },
  'a size with a fraction': { tarBytes: 1.5 },
  'no layers': { layers: [] },
  'a layer that is no id': { layers: ['../../etc/passwd'] },
  'layers that are no list': { layers: { 0: 'x' } }
}

for (const [what, fault] of Object.entries(FAULTS))
  note(`is refused with ${what}`, () => {
    const text = JSON.stringify({ ...JSON.parse(EXAMPLE), ...fault })
    refused(() => parseNote(text, 'the note'), 'OBJECT_CORRUPT', /^note the note is damaged: /)
  })

note('is refused when it is cut off, null or empty', () => {
  for (const text of ['', 'null', EXAMPLE.slice(0, -9)])
    refused(() => parseNote(text, 'the note'), 'OBJECT_CORRUPT', /damaged/)
})

note.run()
