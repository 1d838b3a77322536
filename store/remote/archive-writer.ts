/**
 * An image archive (`oci-archive:FILE`: a tar of an OCI layout) in the place of a registry, for machines without a network
 * between them (spec/registry.md#archives). Manifests and blobs are those that a registry gets, byte for byte. The file has
 * a temporary name, and only its owner may read it, until it is whole.
 */
import { createHash } from 'node:crypto'
import { constants, rmSync } from 'node:fs'
import { type FileHandle, lstat, open, rename } from 'node:fs/promises'
import { resolve } from 'node:path'
import { siblingPath, syncFolder } from '../disk/index.ts'
import { writeFully } from '../object/index.ts'
import { digestOf, type ImageReference, type PushedBlob, type RemoteManifest } from '../registry/index.ts'
import { encodeEnd, encodeHeader, entryWith, paddingBytes } from '../tar/index.ts'
import { outputError, type PathBytes, StrataError, whenStopped } from '../values/index.ts'
import { ARCHIVE, REF_NAME, refName } from './archive-name.ts'
import type { Destination } from './destination.ts'
import { INDEX_TYPE } from './stack-index.ts'

const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

interface Entry {
  mediaType: string
  digest: string
  size: number
}

export class ArchiveWriter {
  readonly #file: string
  readonly #temporary: string
  readonly #handle: FileHandle
  #position = 0
  readonly #forget: () => void
  /** Blobs that are in the file, or on the way into it, by digest. */
  readonly #blobs = new Map<string, Promise<void>>()
  readonly #manifests = new Map<string, { mediaType: string; bytes: Buffer }>()
  readonly #entries = new Map<string, Entry>()
  #last: Promise<void> = Promise.resolve()
  #isForEveryone = true
  #isOver = false

  private constructor(file: string, temporary: string, handle: FileHandle) {
    this.#file = file
    this.#temporary = temporary
    this.#handle = handle
    this.#forget = whenStopped(() => rmSync(temporary, { force: true }))
  }

  /** @throws StrataError OUTPUT_EXISTS without `replace`; IO */
  static async create(file: string, { replace }: { replace: boolean }): Promise<ArchiveWriter> {
    const absolute = resolve(file)
    const there = await lstat(absolute).catch(() => undefined)
    if (there !== undefined && !(replace && there.isFile()))
      throw new StrataError('OUTPUT_EXISTS', {
        message: `${file} is there`,
        facts: { file },
        hint: there.isFile() ? 'another name, or --replace' : 'the name of a file'
      })
    try {
      const temporary = siblingPath(absolute)
      const writer = new ArchiveWriter(absolute, temporary, await open(temporary, FLAGS, 0o600))
      await writer.#append('oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}'))
      return writer
    } catch (error) {
      throw outputError('archive', file, error)
    }
  }

  /** The part of the archive that holds what a registry has in a repository. */
  destination(repository: string): Destination {
    return new ArchiveDestination(this, { host: `${ARCHIVE}${this.#file}`, repository })
  }

  /** Gives the file its name. @throws StrataError IO */
  async finish(): Promise<void> {
    const manifests = [...this.#entries].map(([name, entry]) => ({
      ...entry,
      annotations: { [REF_NAME]: name }
    }))
    const index = { schemaVersion: 2, mediaType: INDEX_TYPE, manifests }
    try {
      await this.#append('index.json', Buffer.from(JSON.stringify(index)))
      await this.#write(encodeEnd())
      if (this.#isForEveryone) await this.#handle.chmod(0o666 & ~process.umask())
      await this.#handle.sync()
      await rename(this.#temporary, this.#file)
      this.#isOver = true
      await syncFolder(resolve(this.#file, '..'))
    } catch (error) {
      throw outputError('archive', this.#file, error)
    }
  }

  /** Removes the file, unless it was finished. */
  async close(): Promise<void> {
    await this.#handle.close()
    if (!this.#isOver) rmSync(this.#temporary, { force: true })
    this.#forget()
  }

  keepClosed(): void {
    this.#isForEveryone = false
  }

  has = (digest: string): boolean => this.#blobs.has(digest)

  manifest(name: string): RemoteManifest | undefined {
    const found = this.#manifests.get(this.#entries.get(name)?.digest ?? name)
    return found && { ...found, digest: digestOf(found.bytes) }
  }

  async addBlob(blob: PushedBlob): Promise<void> {
    const { digest } = blob
    const known = this.#blobs.get(digest)
    if (known !== undefined) return known
    const path = `blobs/sha256/${digest.slice('sha256:'.length)}`
    const added = this.#appendStream(path, blob)
    this.#blobs.set(digest, added)
    return added
  }

  async addManifest(name: string, bytes: Buffer, mediaType: string): Promise<string> {
    const digest = digestOf(bytes)
    await this.addBlob({ digest, sizeBytes: bytes.length, chunks: () => once(bytes) })
    this.#manifests.set(digest, { mediaType, bytes })
    this.#entries.set(name, { mediaType, digest, size: bytes.length })
    return digest
  }

  #append(path: string, bytes: Buffer): Promise<void> {
    return this.#appendStream(path, {
      digest: digestOf(bytes),
      sizeBytes: bytes.length,
      chunks: () => once(bytes)
    })
  }

  /** One after another, in the order of the calls. */
  #appendStream(path: string, blob: PushedBlob): Promise<void> {
    const work = this.#last.then(() => this.#writeMember(path, blob))
    this.#last = work.catch(() => {})
    return work
  }

  async #writeMember(path: string, { digest, sizeBytes, chunks, check }: PushedBlob): Promise<void> {
    const hash = createHash('sha256')
    try {
      await this.#write(
        encodeHeader(entryWith({ path: path as PathBytes, kind: 'file', mode: 0o644, sizeBytes }))
      )
      for await (const piece of chunks()) {
        hash.update(piece)
        await this.#write(piece)
      }
      await this.#write(Buffer.alloc(paddingBytes(sizeBytes)))
    } catch (error) {
      throw outputError('archive', this.#file, error)
    }
    const found = `sha256:${hash.digest('hex')}`
    if (found === digest) return
    check?.()
    throw new StrataError('BLOB_CORRUPT', {
      message: `blob ${digest} on disk hashes to ${found}`,
      facts: { file: this.#file },
      hint: 'compose fsck'
    })
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await writeFully(this.#handle, bytes, this.#position)
    this.#position += bytes.length
  }
}

/** What a push asks of a repository. All that it reads there is what it wrote. */
class ArchiveDestination implements Destination {
  readonly place: ImageReference
  readonly #archive: ArchiveWriter

  constructor(archive: ArchiveWriter, place: ImageReference) {
    this.#archive = archive
    this.place = place
  }

  async readManifest(reference: string): Promise<RemoteManifest | undefined> {
    return this.#archive.manifest(this.#nameOf(reference))
  }

  async putBlob(blob: PushedBlob): Promise<boolean> {
    if (this.#archive.has(blob.digest)) return false
    await this.#archive.addBlob(blob)
    return true
  }

  async hasBlob({ digest }: Pick<PushedBlob, 'digest'>): Promise<boolean> {
    return this.#archive.has(digest)
  }

  sendBlob = (blob: PushedBlob): Promise<void> => this.#archive.addBlob(blob)

  async mountBlob(): Promise<boolean> {
    return false
  }

  putManifest(tag: string, bytes: Buffer, mediaType: string): Promise<string> {
    return this.#archive.addManifest(this.#nameOf(tag), bytes, mediaType)
  }

  /** Asked for what is not for everyone: then the file is for its owner alone. */
  async isOpenToEverybody(): Promise<boolean> {
    this.#archive.keepClosed()
    return false
  }

  async removeManifest(): Promise<boolean> {
    return false
  }

  async close(): Promise<void> {}

  #nameOf(tag: string): string {
    return tag.startsWith('sha256:') ? tag : refName(this.place.repository, tag)
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}
