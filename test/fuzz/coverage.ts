/** Which code an input reaches, told by V8's own counters (Chrome DevTools protocol, Profiler.takePreciseCoverage). */
import { type Profiler, Session } from 'node:inspector'

const OURS = /\/(?:store|compose)\/[^:]*\.js$/

export class Coverage {
  readonly #session = new Session()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Places in the code that were reached since the last call. */
  take(): Set<string> {
    let result: Profiler.ScriptCoverage[] = []
    // The session of this very thread answers before `post` returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error === null) ({ result } = taken)
    })
    const places = new Set<string>()
    for (const { url, functions } of result) {
      if (!OURS.test(url)) continue
      for (const { ranges } of functions)
        for (const { startOffset, endOffset, count } of ranges)
          if (count > 0) places.add(`${url}:${startOffset}-${endOffset}`)
    }
    return places
  }

  close(): void {
    this.#session.disconnect()
  }
}
