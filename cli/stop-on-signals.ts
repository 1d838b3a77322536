/**
 * Ctrl-C, SIGTERM and SIGHUP: unfinished work is removed, one message names what is left, and the signal then ends
 * the process, so that a shell sees the signal (and its loops stop).
 *
 * All of it happens in one go. Between two steps the command would go on, and might publish something that was just
 * called stopped.
 */
import { writeSync } from 'node:fs'
import { leftInStores, STOP_SIGNALS, type StopSignal, takeBackAll } from '../store/values/index.ts'
import { endBySignal, formatDocument } from './process/index.ts'

/** @param json true if standard output must hold a document */
export function stopOnSignals(json: boolean): void {
  for (const signal of STOP_SIGNALS)
    process.on(signal, () => {
      // `compose run` passes signals on to its program.
      if (process.listenerCount(signal) === 1) stop(signal, json)
    })
}

/** Nothing else of the command runs in between: in the bundle, loading takes no turn of the event loop. */
function stop(signal: StopSignal, json: boolean): void {
  const takenBack = takeBackAll()
  const left = leftInStores()
  void Promise.all([import('./render/error.ts'), import('./render/stopped.ts')]).then(
    ([{ errorJson, renderError }, { stoppedError }]) => {
      const error = stoppedError(signal, takenBack, left)
      if (json) tell(1, formatDocument(errorJson(error)))
      tell(2, `${process.stderr.isTTY ? ERASED_LINE : ''}${renderError(error)}`)
      endBySignal(signal)
    }
  )
}

/** Erases the line of a progress bar, or the terminal's own `^C`. */
const ERASED_LINE = '\r\x1b[K'

/** Writes a text if anybody listens; a terminal may be gone. */
function tell(fd: number, text: string): void {
  try {
    writeSync(fd, `${text}\n`)
  } catch {}
}
