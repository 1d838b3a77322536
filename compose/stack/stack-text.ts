/** The text of a stack file, taken apart so that its list of modules can be edited and all else stays as it is. */
import { StrataError } from '../../store/values/index.ts'

/** One entry of `modules`, as it stands in the text. */
export interface StackItem {
  text: string
  /** Counted from 1. */
  line: number
  column: number
}

export interface StackText {
  readonly items: readonly StackItem[]
  /** The value of `for`. */
  readonly audience?: string
  /**
   * The text with other entries: `edits[i]` is what stands in place of item i, undefined takes it out together with
   * the comment on its line; `added` come behind the last.
   */
  edited(edits: (string | undefined)[], added: string[]): string
}

/** A stack file that is wrong, and where. */
export const invalidStack = (
  file: string,
  { line, column }: { line: number; column: number },
  what: string
): StrataError =>
  new StrataError('STACK_INVALID', {
    message: `${file}, line ${line}, column ${column}: ${what}`,
    facts: { file, line, column },
    hint: 'modules:\n  - base/debian-12\n  - mpi/openmpi'
  })
