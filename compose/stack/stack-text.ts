/** The text of a stack file, parsed so that its list of modules can be edited and all else stays. */
import { StrataError } from '../../store/values/index.ts'

/** An entry of `modules`, as it is written in the text. */
export interface StackItem {
  text: string
  /** Counted from 1. */
  line: number
  column: number
}

export interface StackText {
  readonly items: readonly StackItem[]
  /** Value of `for`. */
  readonly audience?: string
  /**
   * The text with other entries: `edits[i]` replaces item i, or removes it and the comment on its line if it is
   * undefined. `added` follows the last item.
   */
  edited(edits: (string | undefined)[], added: string[]): string
}

/** The error for a wrong stack file, with the position. */
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
