import { renderError } from '../../cli/render/error.ts'
import { EXIT_STATUS, StrataError } from '../../store/values/errors.ts'
import type { RejectCase } from './case.ts'
import type { Room } from './room.ts'

/** C0 and C1 controls but the line end, and what turns the direction of text. */
const RAW = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/

/** The fault in the handling of a case; undefined if there is none. */
export async function faultOf(subject: RejectCase, room: Room): Promise<string | undefined> {
  room.clear()
  const before = room.untouchable()
  const canaries = room.canaries()
  const isRefusal = subject.expect in EXIT_STATUS
  try {
    await subject.attack(room)
    if (isRefusal) return `was taken, wanted ${subject.expect}`
  } catch (error) {
    const fault = faultOfError(error, subject.expect)
    if (fault !== undefined) return fault
  }
  const touched = difference(canaries, room.canaries())
  if (touched.length > 0) return `outside the target: ${touched.join('; ')}`
  if (room.leftovers().length > 0) return `left in tmp/: ${room.leftovers().join(', ')}`
  const left = isRefusal ? difference(before, room.untouchable()) : []
  return left.length > 0 ? `refused, but left behind: ${left.join('; ')}` : undefined
}

function faultOfError(error: unknown, expected: string): string | undefined {
  if (!(error instanceof StrataError)) return `threw ${(error as Error)?.stack ?? error}`
  if (error.code !== expected) return `refused as ${error.code} (${error.message}), wanted ${expected}`
  const shown = [error.message, JSON.stringify(error.facts), error.hint ?? '', renderError(error)]
  return shown.some(text => RAW.test(text)) ? `prints raw bytes: ${JSON.stringify(shown)}` : undefined
}

function difference(before: string[], after: string[]): string[] {
  const [old, fresh] = [new Set(before), new Set(after)]
  return [
    ...before.filter(line => !fresh.has(line)).map(line => `- ${line}`),
    ...after.filter(line => !old.has(line)).map(line => `+ ${line}`)
  ]
}
