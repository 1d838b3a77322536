import * as assert from 'uvu/assert'

const SHOWN = 5

/** Equality of long listings that shows the lines that differ, not thousands that do not. */
export function sameLines(found: string[], want: string[], message?: string): void {
  const [have, wanted] = [new Set(found), new Set(want)]
  const surplus = found.filter(line => !wanted.has(line)).slice(0, SHOWN)
  const missing = want.filter(line => !have.has(line)).slice(0, SHOWN)
  assert.equal(surplus, missing, message)
  assert.is(found.length, want.length, message)
}
