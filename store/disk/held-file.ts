/**
 * A file by its descriptor. Node cannot make a FileHandle of a descriptor that was opened elsewhere, and opening the
 * file by its path again could open another file.
 */
import * as fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { promisify } from 'node:util'

/** The methods of Node's FileHandle that readers and writers of files use. */
export type OpenFile = Pick<
  FileHandle,
  | 'fd'
  | 'read'
  | 'readFile'
  | 'write'
  | 'writeFile'
  | 'truncate'
  | 'sync'
  | 'stat'
  | 'close'
  | 'createReadStream'
>

type StreamOptions = NonNullable<Parameters<FileHandle['createReadStream']>[0]>

type StretchOptions = Pick<StreamOptions, 'start' | 'end' | 'highWaterMark'>

type Call = (fd: number, ...args: unknown[]) => Promise<unknown>

const read = promisify(fs.read) as Call
const readFile = promisify(fs.readFile) as Call
const write = promisify(fs.write) as Call
const writeFile = promisify(fs.writeFile) as Call
const truncate = promisify(fs.ftruncate) as Call
const sync = promisify(fs.fsync) as Call
const stat = promisify(fs.fstat) as Call
const close = promisify(fs.close)

/** A destroyed stream closes its descriptor whatever `autoClose` says, so `close` does nothing here. */
const NOT_CLOSING = {
  open: fs.open,
  read: fs.read,
  close: (_fd: number, done: (error: null) => void) => done(null)
}

/** @param path for messages. The descriptor stays open, also when the stream is left before its end. */
export const streamOf = (fd: number, path: string, options: StretchOptions): fs.ReadStream =>
  fs.createReadStream(path, { ...options, fd, autoClose: false, fs: NOT_CLOSING })

/** Errors name the file. Closing it twice is fine. */
export class HeldFile implements OpenFile {
  #fd: number
  readonly #path: string
  readonly read = this.#call<OpenFile['read']>(read)
  readonly readFile = this.#call<OpenFile['readFile']>(readFile)
  readonly write = this.#call<OpenFile['write']>(write)
  readonly writeFile = this.#call<OpenFile['writeFile']>(writeFile)
  readonly truncate = this.#call<OpenFile['truncate']>(truncate)
  readonly sync = this.#call<OpenFile['sync']>(sync)
  readonly stat = this.#call<OpenFile['stat']>(stat)

  /**
   * @param fd is closed with the file
   * @param path for messages
   */
  constructor(fd: number, path: string) {
    this.#fd = fd
    this.#path = path
  }

  /** The descriptor; -1 after closing. */
  get fd(): number {
    return this.#fd
  }

  /** The file stays open when the stream ends. */
  createReadStream(options: StretchOptions = {}): fs.ReadStream {
    return streamOf(this.#fd, this.#path, options)
  }

  async close(): Promise<void> {
    const fd = this.#release()
    if (fd >= 0) await close(fd)
  }

  closeSync(): void {
    const fd = this.#release()
    if (fd >= 0) fs.closeSync(fd)
  }

  #release(): number {
    const fd = this.#fd
    this.#fd = -1
    return fd
  }

  #call<T>(call: Call): T {
    const named = (...args: unknown[]) =>
      call(this.#fd, ...args).catch((error: NodeJS.ErrnoException) => {
        error.path ??= this.#path
        throw error
      })
    return named as T
  }
}
