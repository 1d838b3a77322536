/**
 * Limits work that a small input can ask for without end, such as following links that lead through links. Work is
 * counted and not timed, so that the same input is accepted or refused on every machine.
 */
export class WorkLimit {
  #left: number
  readonly #refuse: () => Error

  /**
   * @param granted steps that every input may take
   * @param refuse makes the error
   */
  constructor(granted: number, refuse: () => Error) {
    this.#left = granted
    this.#refuse = refuse
  }

  /** More steps, for more input. */
  grant(steps: number): void {
    this.#left += steps
  }

  /** @throws what `refuse` makes once more steps are taken than were granted */
  spend(steps = 1): void {
    this.#left -= steps
    if (this.#left < 0) throw this.#refuse()
  }
}
