/** Where a command's words go: results to stdout, everything else to stderr. */
export interface Io {
  /** A line of the result. */
  out(text: string): void
  /** A line for people: notes, warnings, errors. Silent with --quiet, but for errors. */
  note(text: string): void
  error(text: string): void
  /** Whether stderr is a terminal that a progress bar may redraw. */
  isTerminal: boolean
  /** Columns of the terminal that notes go to, 80 when there is none. */
  columns: number
  /** Columns of the terminal that results go to, 80 when there is none. */
  outColumns: number
}

export function processIo(quiet: boolean): Io {
  const error = (text: string) => process.stderr.write(`${text}\n`)
  return {
    out: text => process.stdout.write(`${text}\n`),
    note: quiet ? () => {} : error,
    error,
    // Asked for when needed: Node sets up a stream at the first look at it.
    get isTerminal() {
      return !quiet && process.stderr.isTTY === true
    },
    get columns() {
      return columnsOf(process.stderr)
    },
    get outColumns() {
      return columnsOf(process.stdout)
    }
  }
}

const USUAL_COLUMNS = 80

/** A terminal whose size nobody has set says 0. */
const columnsOf = ({ columns }: NodeJS.WriteStream): number => columns || USUAL_COLUMNS

/** A command that worked, but has something to say with its exit status. */
export class ExitStatus extends Error {
  readonly status: number
  constructor(status: number) {
    super(`exit status ${status}`)
    this.status = status
  }
}

let isData = false

/** Standard output for the bytes of a file, of which a reader wants all. */
export function dataOutput(): NodeJS.WriteStream {
  isData = true
  return process.stdout
}

/** As of a program that SIGPIPE ended. */
const CUT_OFF = 128 + 13

/** What a reader leaves who closes the pipe: it may have seen enough of a listing, but not of a file. */
export const statusWhenReaderLeaves = (): number => (isData ? CUT_OFF : 0)
