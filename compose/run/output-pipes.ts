/**
 * Pipes in front of files that our standard output and error lead to. A program can open its own descriptors again, by
 * /proc/self/fd: if one is a file of the user, a program that may do nothing else on the host can read and empty it. By a
 * folder, it would reach all that is in it.
 */
import { closeSync, fstatSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { makePipe } from '../../native/index.ts'
import { StrataError, systemWords } from '../../store/values/index.ts'

const LONGEST_SILENCE_MS = 3000

interface FilePipe {
  /** Our descriptor of the file. */
  file: number
  readFd: number
  writeFd: number
}

/** True for a file, a folder or a disk; false for what only passes bytes on: a pipe, a socket, a terminal, /dev/null. */
export function isStored(fd: number): boolean {
  const status = fstatSync(fd)
  return !(status.isFIFO() || status.isSocket() || status.isCharacterDevice())
}

export const isFolder = (fd: number): boolean => fstatSync(fd).isDirectory()

function identityOf(fd: number): [dev: bigint, ino: bigint] {
  const { dev, ino } = fstatSync(fd, { bigint: true })
  return [dev, ino]
}

export class OutputPipes {
  readonly #pipes: FilePipe[] = []
  #sockets: Socket[] = []
  #ends: Promise<void>[] = []
  #failure: unknown

  /** The descriptor to give to a program in place of one of ours. */
  inFrontOf(fd: number): number {
    if (!isStored(fd)) return fd
    // One pipe for both, as after 2>&1, so that all lines keep their order.
    const known = this.#pipes.find(({ file }) => isDeepStrictEqual(identityOf(file), identityOf(fd)))
    if (known !== undefined) return known.writeFd
    const [readFd, writeFd] = makePipe()
    this.#pipes.push({ file: fd, readFd, writeFd })
    return writeFd
  }

  /** Called once the program has its ends. */
  begin(): void {
    this.#sockets = this.#pipes.map(({ readFd, writeFd }) => {
      closeSync(writeFd)
      return new Socket({ fd: readFd, readable: true, writable: false })
    })
    this.#ends = this.#pipes.map(({ file }, i) => this.#copy(this.#sockets[i], file))
  }

  /**
   * Called when the program has ended. Settles when all that was written is in the files; a process that has got an end of a
   * pipe and lives on does not hold us up.
   * @throws StrataError IO, for a disk that is full
   */
  async end(): Promise<void> {
    for (const socket of this.#sockets) socket.setTimeout(LONGEST_SILENCE_MS, () => socket.destroy())
    await Promise.all(this.#ends)
    if (this.#failure === undefined) return
    const cause = this.#failure as NodeJS.ErrnoException
    throw new StrataError('IO', {
      message: `the output of the program cannot be written: ${systemWords(cause)}`,
      cause
    })
  }

  #copy(from: Socket, file: number): Promise<void> {
    return new Promise(resolve => {
      from.on('data', (bytes: Buffer) => {
        try {
          for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done)
        } catch (error) {
          this.#failure ??= error
          from.destroy() // the program gets SIGPIPE
        }
      })
      from.on('error', error => {
        this.#failure ??= error
      })
      from.on('close', () => resolve())
    })
  }
}
