/**
 * An OCI layout that is being written. It is a folder with a temporary name beside its target, which only its owner
 * can enter until it is complete and gets its name. Small files are written synchronously, because handing them to a
 * thread of Node takes longer.
 */

import { closeSync, constants, fchmodSync, fsyncSync, lstatSync, openSync, writeFileSync } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { copyRanges } from '../../native/index.ts'
import { makeFolders, type OpenFile, UnnamedFolder } from '../../store/disk/index.ts'
import { HashedFile } from '../../store/object/index.ts'
import { digestOf, outputError, pathFromText, StrataError, showPath } from '../../store/values/index.ts'

const BLOBS = 'blobs/sha256'

export interface Descriptor {
  mediaType: string
  /** `sha256:…` */
  digest: string
  size: number
}

/** A layer in a layout. */
export interface WrittenLayer extends Descriptor {
  /** Digest of the uncompressed tar: `sha256:…`. */
  diffId: string
  /** Size of the uncompressed tar. */
  tarBytes: number
}

export interface BlobSource {
  /** SHA-256 of the file, 64 hexadecimal digits. */
  digest: string
  size: number
  file: OpenFile
}

/** Blobs that are being copied. */
export interface CopyingBlobs {
  done: Promise<void>
  /** Stops copying, because the layout is given up; `done` is then rejected. */
  stop(): void
}

/** A blob whose digest is not known yet. */
interface TemporaryBlob {
  path: string
  handle: FileHandle
}

export class LayoutWriter {
  readonly #target: string
  readonly #folder: UnnamedFolder
  readonly #sync: boolean
  #files = 0

  private constructor(target: string, folder: UnnamedFolder, sync: boolean) {
    this.#target = target
    this.#folder = folder
    this.#sync = sync
  }

  /** @throws StrataError OUTPUT_EXISTS, IO */
  static async create(target: string, sync: boolean): Promise<LayoutWriter> {
    refuseExisting(target)
    return explainErrors(target, async () => {
      const folder = new UnnamedFolder(target)
      makeFolders(join(folder.path, BLOBS), 0o755)
      return new LayoutWriter(target, folder, sync)
    })
  }

  /**
   * Writes a blob; its digest is known afterwards.
   * @param write its result is passed on
   */
  addBlob<T>(write: (file: HashedFile) => Promise<T>): Promise<{ digest: string; size: number; result: T }> {
    return this.#newBlob(async handle => {
      const file = new HashedFile(handle)
      const result = await write(file)
      const { sizeBytes, sha256 } = await file.finish()
      const digest = sha256.toString('hex')
      return { digest, blob: { digest: `sha256:${digest}`, size: sizeBytes, result } }
    })
  }

  /**
   * Copies files into blobs, and shares blocks if the file system can. One thread copies them one after another,
   * because more would slow down the work beside it. The files stay open until `done` has settled.
   * @param onProgress called with the bytes copied since the last call
   * @throws StrataError IO, as does `done`
   */
  copyBlobs(sources: BlobSource[], onProgress: (bytes: number) => void): Promise<CopyingBlobs> {
    return this.#explainErrors(async () => {
      const blobs: TemporaryBlob[] = []
      try {
        for (const _ of sources) blobs.push(await this.#newTemporary())
        const ranges = sources.map(({ file, size }, i) => ({
          ...{ inFd: file.fd, inOffset: 0, outFd: blobs[i].handle.fd, outOffset: 0 },
          lengthBytes: size
        }))
        const copying = copyRanges(ranges, { flushes: this.#sync, onProgress })
        const done = this.#explainErrors(() => this.#settleCopies(copying.done, sources, blobs))
        done.catch(() => {}) // reported where it is awaited
        return { done, stop: copying.stop }
      } catch (error) {
        await closeAll(blobs)
        throw error
      }
    })
  }

  async #settleCopies(
    copying: Promise<number>,
    sources: BlobSource[],
    blobs: TemporaryBlob[]
  ): Promise<void> {
    try {
      const wanted = sources.reduce((sum, { size }) => sum + size, 0)
      const copied = await copying
      if (copied !== wanted) throw new RangeError(`${copied} bytes of ${wanted} were there to be copied`)
      await Promise.all(blobs.map(({ handle }) => this.#settle(handle)))
      for (const [i, { digest }] of sources.entries()) await this.#name(blobs[i], digest)
    } finally {
      await closeAll(blobs)
    }
  }

  /** @param digest `sha256:…` of an existing blob */
  openBlob(digest: string): Promise<FileHandle> {
    return open(join(this.#folder.path, BLOBS, digest.slice('sha256:'.length)), 'r')
  }

  /** Adds a blob that is a JSON document. */
  async addDocument(mediaType: string, document: object): Promise<Descriptor> {
    const bytes = Buffer.from(JSON.stringify(document))
    const digest = digestOf(bytes)
    await this.#write(join(BLOBS, digest), bytes)
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length }
  }

  /** Adds a document under its own name. */
  addFile(name: string, document: object): Promise<void> {
    return this.#write(name, Buffer.from(JSON.stringify(document)))
  }

  /**
   * Gives the folder its access and its name.
   * @param admit sets the access of the finished folder
   */
  publish(admit: (fd: number) => void): Promise<void> {
    return this.#explainErrors(() => this.#publish(admit))
  }

  async #publish(admit: (fd: number) => void): Promise<void> {
    for (const folder of [BLOBS, 'blobs', '']) {
      const fd = openSync(join(this.#folder.path, folder), constants.O_RDONLY | constants.O_DIRECTORY)
      try {
        if (folder === '') admit(fd)
        else fchmodSync(fd, 0o755)
        if (this.#sync) fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
    }
    refuseExisting(this.#target)
    await this.#folder.publish(this.#sync)
  }

  /** Removes the folder. After `publish` it does nothing. */
  async discard(): Promise<void> {
    this.#folder.discard()
  }

  /** @param fill returns the digest of the bytes that it wrote, 64 hexadecimal digits, and a further result */
  #newBlob<T>(fill: (handle: FileHandle) => Promise<{ digest: string; blob: T }>): Promise<T> {
    return this.#explainErrors(async () => {
      const temporary = await this.#newTemporary()
      const { handle } = temporary
      try {
        const { digest, blob } = await fill(handle)
        await this.#settle(handle)
        await this.#name(temporary, digest)
        return blob
      } finally {
        await handle.close()
      }
    })
  }

  async #newTemporary(): Promise<TemporaryBlob> {
    const path = join(this.#folder.path, `blob-${this.#files++}`)
    return { path, handle: await open(path, 'wx', 0o644) }
  }

  #name({ path }: TemporaryBlob, digest: string): Promise<void> {
    return rename(path, join(this.#folder.path, BLOBS, digest))
  }

  #write(name: string, bytes: Uint8Array): Promise<void> {
    return this.#explainErrors(async () => {
      const fd = openSync(join(this.#folder.path, name), 'w', 0o644)
      try {
        writeFileSync(fd, bytes)
        fchmodSync(fd, 0o644) // independent of the umask
        if (this.#sync) fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
    })
  }

  #explainErrors<T>(work: () => Promise<T>): Promise<T> {
    return explainErrors(this.#target, work)
  }

  /** Sets the mode, independent of the umask. */
  async #settle(handle: FileHandle): Promise<void> {
    await handle.chmod(0o644)
    if (this.#sync) await handle.sync()
  }
}

async function closeAll(blobs: TemporaryBlob[]): Promise<void> {
  for (const { handle } of blobs) await handle.close()
}

/** Adding to a layout would rely on its other images being right, and replacing it would remove them. */
function refuseExisting(target: string): void {
  if (lstatSync(target, { throwIfNoEntry: false }) === undefined) return
  const shown = showPath(pathFromText(target))
  throw new StrataError('OUTPUT_EXISTS', {
    message: `${shown} already exists, and compose does not change an existing layout`,
    facts: { path: shown },
    hint: `name a new folder, or remove ${showPath(pathFromText(basename(target)))}`
  })
}

async function explainErrors<T>(target: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw outputError('layout', target, cause)
  }
}
