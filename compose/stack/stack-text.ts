/** The text of a stack file, taken apart so that its list of modules can be edited and all else stays as it is. */

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
