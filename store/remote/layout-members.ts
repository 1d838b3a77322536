/** The files of an OCI layout as they are written one after another: members of a tar, or files of a folder. */
import { constants, mkdirSync, rmSync } from 'node:fs'
import { chmod, type FileHandle, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { OutputFolder, siblingPath, syncFolder, UnnamedFolder } from '../disk/index.ts'
import { writeFully } from '../object/index.ts'
import { encodeEnd, encodeHeader, entryWith, paddingBytes } from '../tar/index.ts'
import type { PathBytes } from '../values/index.ts'

/** Has a temporary name, and only its owner may read it, until it is finished. */
export interface LayoutMembers {
  write(path: string, sizeBytes: number, pieces: AsyncIterable<Uint8Array>): Promise<void>
  /** Gives it its name. @param refuseExisting throws if something has this name meanwhile that must stay */
  finish(isForEveryone: boolean, refuseExisting: () => Promise<void>): Promise<void>
  close(): Promise<void>
  /** Removes what is not finished. */
  discard(): void
}

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

export class TarMembers implements LayoutMembers {
  readonly #folder: OutputFolder
  readonly #temporary: string
  readonly #handle: FileHandle
  #position = 0

  private constructor(folder: OutputFolder, temporary: string, handle: FileHandle) {
    this.#folder = folder
    this.#temporary = temporary
    this.#handle = handle
  }

  static async create(target: string): Promise<TarMembers> {
    const folder = new OutputFolder(target)
    try {
      const temporary = siblingPath(folder.target)
      return new TarMembers(folder, temporary, await open(temporary, NEW_FILE, 0o600))
    } catch (error) {
      folder.close()
      throw error
    }
  }

  async write(path: string, sizeBytes: number, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const entry = entryWith({ path: path as PathBytes, kind: 'file', mode: 0o644, sizeBytes })
    await this.#append(encodeHeader(entry))
    for await (const piece of pieces) await this.#append(piece)
    await this.#append(Buffer.alloc(paddingBytes(sizeBytes)))
  }

  async finish(isForEveryone: boolean, refuseExisting: () => Promise<void>): Promise<void> {
    await this.#append(encodeEnd())
    if (isForEveryone) await this.#handle.chmod(0o666 & ~process.umask())
    await this.#handle.sync()
    await refuseExisting()
    await rename(this.#temporary, this.#folder.target)
    await this.#folder.sync()
    this.#folder.close()
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  discard(): void {
    rmSync(this.#temporary, { force: true })
    this.#folder.close()
  }

  async #append(bytes: Uint8Array): Promise<void> {
    await writeFully(this.#handle, bytes, this.#position)
    this.#position += bytes.length
  }
}

export class FolderMembers implements LayoutMembers {
  readonly #folder: UnnamedFolder
  readonly #files: string[] = []
  readonly #folders = new Set<string>(['.'])

  private constructor(target: string) {
    this.#folder = new UnnamedFolder(target)
  }

  static create(target: string): FolderMembers {
    return new FolderMembers(target)
  }

  async write(path: string, _sizeBytes: number, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    this.#makeFolder(dirname(path))
    const file = await open(join(this.#folder.path, path), NEW_FILE, 0o600)
    try {
      let position = 0
      for await (const piece of pieces) {
        await writeFully(file, piece, position)
        position += piece.length
      }
      await file.sync()
      this.#files.push(path)
    } finally {
      await file.close()
    }
  }

  async finish(isForEveryone: boolean, refuseExisting: () => Promise<void>): Promise<void> {
    if (isForEveryone) await this.#open()
    for (const folder of this.#folders) await syncFolder(join(this.#folder.path, folder))
    // A rename replaces an empty folder, which somebody may have made meanwhile; one with something in it stays in any case.
    await refuseExisting()
    await this.#folder.publish(true)
  }

  async close(): Promise<void> {}

  discard(): void {
    this.#folder.discard()
  }

  #makeFolder(path: string): void {
    if (this.#folders.has(path)) return
    this.#makeFolder(dirname(path))
    mkdirSync(join(this.#folder.path, path), { mode: 0o700 })
    this.#folders.add(path)
  }

  /** The folder itself last: until then nobody else comes in. */
  async #open(): Promise<void> {
    const umask = process.umask()
    for (const path of this.#files) await chmod(join(this.#folder.path, path), 0o666 & ~umask)
    for (const path of [...this.#folders].toReversed())
      await chmod(join(this.#folder.path, path), 0o777 & ~umask)
  }
}
