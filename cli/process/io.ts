/** Output of a command: results go to stdout, everything else to stderr. */
import { showLines } from '../../store/values/index.ts'

export interface Io {
  /** A line of the result. */
  out(text: string): void
  /** A line for people: notes, warnings, errors. Silent with --quiet, but for errors. */
  note(text: string): void
  error(text: string): void
  /** True if stderr is a terminal, so that a progress bar can be redrawn. */
  isTerminal: boolean
  /** Columns of the terminal that notes go to, 80 when there is none. */
  columns: number
  /** Columns of the terminal that results go to, 80 when there is none. */
  outColumns: number
}

let onFault: ((error: NodeJS.ErrnoException) => void) | undefined
let isUsed = false

/** Called if standard output cannot be written. */
export function whenOutputFails(listener: (error: NodeJS.ErrnoException) => void): void {
  onFault = listener
}

/** Node takes 2 ms to set it up, which `compose run` does not need. */
export function standardOutput(): NodeJS.WriteStream {
  if (!isUsed && onFault !== undefined) process.stdout.on('error', onFault)
  isUsed = true
  return process.stdout
}

/** False while output waits for a reader, or the reader has left: then the process ends when that is settled. */
export const isAllWritten = (): boolean =>
  [...(isUsed ? [process.stdout] : []), process.stderr].every(isWritten)

const isWritten = ({ writableLength, errored }: NodeJS.WriteStream): boolean =>
  writableLength === 0 && errored === null

/**
 * Everything but the bytes of a file goes through here: what strangers wrote into records, images and answers of registries
 * cannot control the terminal, whichever report it stands in.
 */
export function processIo(quiet: boolean): Io {
  const error = (text: string) => process.stderr.write(`${showLines(text)}\n`)
  return {
    out: text => standardOutput().write(`${showLines(text)}\n`),
    note: quiet ? () => {} : error,
    error,
    // A getter, because Node sets up a stream when it is first looked at.
    get isTerminal() {
      return !quiet && process.stderr.isTTY === true
    },
    get columns() {
      return columnsOf(process.stderr)
    },
    get outColumns() {
      return columnsOf(standardOutput())
    }
  }
}

const USUAL_COLUMNS = 80

/** A terminal whose size nobody has set reports 0 columns. */
const columnsOf = ({ columns }: NodeJS.WriteStream): number => columns || USUAL_COLUMNS

/** Thrown by a command that worked, to end with a status other than 0. */
export class ExitStatus extends Error {
  readonly status: number
  constructor(status: number) {
    super(`exit status ${status}`)
    this.status = status
  }
}

/** The program that was run in place of this one was ended by a signal: so is this one. */
export class EndedBySignal extends Error {
  readonly signal: NodeJS.Signals
  constructor(signal: NodeJS.Signals) {
    super(signal)
    this.signal = signal
  }
}

let isData = false

/** Standard output for the bytes of a file. A reader wants all of them, unlike the lines of a listing. */
export function dataOutput(): NodeJS.WriteStream {
  isData = true
  return standardOutput()
}

/** Exit status of a program that SIGPIPE ended. */
const CUT_OFF = 128 + 13

/** Exit status when the reader closes the pipe: a listing may have been enough, a file is incomplete. */
export const statusWhenReaderLeaves = (): number => (isData ? CUT_OFF : 0)
