/** Where a command's words go: results to stdout, everything else to stderr. */
export interface Io {
  /** A line of the result. */
  out(text: string): void
  /** A line for people: notes, warnings, errors. Silent with --quiet, but for errors. */
  note(text: string): void
  error(text: string): void
  /** Whether stderr is a terminal that a progress bar may redraw. */
  isTerminal: boolean
  /** Columns of the terminal, 80 when there is none. */
  columns: number
}

export function processIo(quiet: boolean): Io {
  const error = (text: string) => process.stderr.write(`${text}\n`)
  return {
    out: text => process.stdout.write(`${text}\n`),
    note: quiet ? () => {} : error,
    error,
    isTerminal: !quiet && process.stderr.isTTY === true,
    columns: process.stderr.columns ?? 80
  }
}

/** A command that worked, but has something to say with its exit status. */
export class ExitStatus extends Error {
  readonly status: number
  constructor(status: number) {
    super(`exit status ${status}`)
    this.status = status
  }
}
