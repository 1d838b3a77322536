import { showText } from '../../store/values/index.ts'
import type { Io } from '../process/index.ts'
import { formatBytes } from '../render/index.ts'

const REDRAW_SECONDS = 0.1
const BAR_COLUMNS = 24

/** Redraws one line on the terminal; does nothing where stderr is not a terminal. */
export class ProgressBar {
  readonly #io: Io
  #drawnAt = 0
  #label = ''
  #startedAt = process.uptime()

  constructor(io: Io) {
    this.#io = io
  }

  /** @param total undefined if it is not known */
  update(label: string, done: number, total?: number): void {
    if (!this.#io.isTerminal) return
    const now = process.uptime() // `performance` takes Node 5 ms to load
    if (label !== this.#label) {
      this.#label = label
      this.#startedAt = now
    } else if (now - this.#drawnAt < REDRAW_SECONDS) return
    this.#drawnAt = now
    process.stderr.write(`\r\x1b[K${this.#line(done, total, now - this.#startedAt)}`)
  }

  /** Removes the line, so that the next output starts at the margin. */
  clear(): void {
    if (this.#drawnAt > 0) process.stderr.write('\r\x1b[K')
    this.#drawnAt = 0
  }

  #line(done: number, total: number | undefined, seconds: number): string {
    const rate = seconds > 0.5 ? `  ${formatBytes(done / seconds)}/s` : ''
    const amount = total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`
    const share = total === undefined || total === 0 ? undefined : Math.min(1, done / total)
    const filled = Math.round((share ?? 0) * BAR_COLUMNS)
    const bar =
      share === undefined
        ? ''
        : `  [${'='.repeat(filled)}${' '.repeat(BAR_COLUMNS - filled)}] ${Math.floor(share * 100)}%`
    const room = Math.max(10, this.#io.columns - bar.length - amount.length - rate.length - 4)
    const shown = showText(this.#label)
    const label = shown.length > room ? `…${shown.slice(1 - room)}` : shown
    return `${label}${bar}  ${amount}${rate}`.slice(0, this.#io.columns - 1)
  }
}
