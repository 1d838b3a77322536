/** Work that runs beside other work. `done` throws its error; `ended` waits for the end, and never throws. */
export class Background {
  readonly #work: Promise<void>[] = []

  add(work: Promise<void>): void {
    work.catch(() => {}) // reported by done
    this.#work.push(work)
  }

  async done(): Promise<void> {
    await Promise.all(this.#work)
  }

  async ended(): Promise<void> {
    await Promise.allSettled(this.#work)
  }
}
