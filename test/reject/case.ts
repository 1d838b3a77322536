import type { ErrorCode } from '../../store/values/errors.ts'
import type { Room } from './room.ts'

/** One hostile input, made by its `attack`, and what must come of it. */
export interface RejectCase {
  /** The fault of the input. */
  name: string
  /** CVE or advisory of a program that fell for it. */
  reference?: string
  /**
   * Code of the refusal; `confined`: taken, and nothing outside the target is touched; `reported`: taken without
   * what is hostile in it, and the report says so; `found`: fsck names it.
   */
  expect: ErrorCode | 'confined' | 'reported' | 'found'
  /** Making the input needs root: left out of the runs as an ordinary user. */
  needsRoot?: boolean
  /** A program that makes the input: where it is absent, the case is skipped. */
  program?: string
  /** Takes seconds: run in one variant only. */
  isSlow?: boolean
  /** Throws the refusal, or an AssertionError when what was taken is not as it should be. */
  attack(room: Room): Promise<void> | void
}

export interface Area {
  area: string
  cases: RejectCase[]
}
