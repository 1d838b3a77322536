import { closeSync, createReadStream, fstatSync, openSync } from 'node:fs'
import { resolve } from 'node:path'
import { constants, openBeneath } from '../../native/index.ts'
import { originName } from '../module/index.ts'
import { pathFromText, StrataError } from '../values/index.ts'
import type { ImageFile, ImageFiles } from './image-files.ts'
import { imageInvalid } from './refuse-image.ts'

const { O_DIRECTORY, O_NONBLOCK, O_RDONLY } = constants
const READ_BYTES = 1 << 20

/** An OCI layout as a folder. No link in it is followed: a layout with links could show any file of the host. */
export class LayoutFiles implements ImageFiles {
  readonly name: string
  readonly fileName: string | undefined
  readonly #fd: number

  /** @throws StrataError IO */
  constructor(folder: string) {
    this.name = folder
    this.fileName = originName(resolve(folder))
    this.#fd = this.#attempt('', () => openSync(folder, O_RDONLY | O_DIRECTORY))!
  }

  find(path: string): ImageFile | undefined {
    const fd = this.#open(path)
    if (fd === undefined) return undefined
    const status = fstatSync(fd)
    closeSync(fd)
    if (!status.isFile()) throw imageInvalid(`${this.name}: ${path}`, 'is not a regular file')
    return { sizeBytes: status.size, chunks: () => this.#chunks(path, status.size) }
  }

  async close(): Promise<void> {
    closeSync(this.#fd)
  }

  /** Never more bytes than were announced: a file that others make longer meanwhile would have no end. */
  async *#chunks(path: string, sizeBytes: number): AsyncGenerator<Uint8Array> {
    const fd = this.#open(path)
    if (fd === undefined) throw imageInvalid(`${this.name}: ${path}`, 'went away while the image was read')
    const status = fstatSync(fd)
    if (!status.isFile() || status.size !== sizeBytes) {
      closeSync(fd)
      throw imageInvalid(`${this.name}: ${path}`, 'changed while it was read')
    }
    if (sizeBytes === 0) return closeSync(fd)
    yield* createReadStream('', { fd, start: 0, end: sizeBytes - 1, highWaterMark: READ_BYTES })
  }

  // O_NONBLOCK is needed because opening a FIFO would wait for a writer.
  #open(path: string): number | undefined {
    return this.#attempt(path, () => openBeneath(this.#fd, pathFromText(path), O_RDONLY | O_NONBLOCK))
  }

  #attempt(path: string, open: () => number): number | undefined {
    try {
      return open()
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException
      if (path !== '' && (code === 'ENOENT' || code === 'ENOTDIR')) return undefined
      const part = path === '' ? this.name : `${this.name}: ${path}`
      if (code === 'ELOOP') throw imageInvalid(part, 'is, or lies behind, a symbolic link', {}, cause)
      throw new StrataError('IO', { message: `${part} cannot be read: ${message}`, cause })
    }
  }
}
