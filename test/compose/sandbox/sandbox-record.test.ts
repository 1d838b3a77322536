import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { decodeAttributeSet, encodeAttributeSet } from '../../../compose/sandbox/attribute-set.ts'
import { decodeRecord, encodeRecord } from '../../../compose/sandbox/sandbox-record.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { tarOf, write } from './sandboxes.ts'

const records = suite('sandbox: record')

records("the specification's attribute set is what is written and read", () => {
  const text = readFileSync(new URL('../../../../spec/sandbox.md', import.meta.url), 'utf8')
  const bytes = Buffer.from(/```\n(06 00[^`]*)```/.exec(text)![1].replace(/\s/g, ''), 'hex')
  const set = new Map([
    ['user.b', Buffer.alloc(0)],
    ['user.a', Buffer.from('x')]
  ])
  assert.is(encodeAttributeSet(set), bytes.toString('latin1'))
  assert.equal([...decodeAttributeSet(bytes)].sort(), [...set].sort())
})

records('decodes to what was encoded, and any changed byte is found', async () => {
  const target = join(scratch(), 's')
  await write([tarOf('mkdir d; echo a >d/a; ln -s a d/l')], target)
  const bytes = readFileSync(join(target, '.compose/sandbox/record'))
  const record = decodeRecord(aligned(bytes))
  assert.ok(encodeRecord(record).equals(bytes))
  for (let at = 0; at < bytes.length; at += 7) {
    const damaged = aligned(bytes)
    damaged[at] ^= 0x10
    assert.throws(
      () => decodeRecord(damaged),
      (error: unknown) => error instanceof RangeError,
      `byte ${at}`
    )
  }
  assert.throws(() => decodeRecord(aligned(bytes.subarray(0, 60))), /does not start|hash/)
})

/** A copy whose columns can be viewed in place. */
const aligned = (bytes: Uint8Array): Buffer => {
  const copy = Buffer.from(new ArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy
}

records.run()
