/**
 * An OCI layout in the place of a registry (`oci-archive:FILE`, a tar of one, or `oci:FOLDER`), for machines without a
 * network between them (spec/registry.md#archives). Manifests and blobs are those that a registry gets, byte for byte.
 */
import { createHash, type Hash } from 'node:crypto'
import { lstat } from 'node:fs/promises'
import { digestOf, type ImageReference, type PushedBlob, type RemoteManifest } from '../registry/index.ts'
import { outputError, StrataError, whenStopped } from '../values/index.ts'
import { type ArchiveName, archiveHost, REF_NAME, refName } from './archive-name.ts'
import type { Destination } from './destination.ts'
import { FolderMembers, type LayoutMembers, TarMembers } from './layout-members.ts'
import { INDEX_TYPE } from './stack-index.ts'

interface Entry {
  mediaType: string
  digest: string
  size: number
}

export class ArchiveWriter {
  readonly #name: ArchiveName
  readonly #members: LayoutMembers
  readonly #mayReplace: boolean
  readonly #forget: () => void
  /** Blobs that are in the archive, or on the way into it, by digest. */
  readonly #blobs = new Map<string, Promise<void>>()
  readonly #manifests = new Map<string, { mediaType: string; bytes: Buffer }>()
  readonly #entries = new Map<string, Entry>()
  #last: Promise<void> = Promise.resolve()
  #isForEveryone = true
  #isOver = false

  private constructor(name: ArchiveName, members: LayoutMembers, mayReplace: boolean) {
    this.#name = name
    this.#members = members
    this.#mayReplace = mayReplace
    this.#forget = whenStopped(() => members.discard())
  }

  /** @throws StrataError OUTPUT_EXISTS without `replace`, and for a folder that is there; IO */
  static async create(name: ArchiveName, { replace }: { replace: boolean }): Promise<ArchiveWriter> {
    const { file, form } = name
    await refuseExisting(name, replace)
    try {
      const members = await (form === 'layout' ? FolderMembers : TarMembers).create(file)
      const writer = new ArchiveWriter(name, members, replace)
      await writer.#begin()
      return writer
    } catch (error) {
      throw outputError(form, file, error)
    }
  }

  async #begin(): Promise<void> {
    try {
      await this.#append('oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}'))
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** The part of the archive that holds what a registry has in a repository. */
  destination(repository: string): Destination {
    return new ArchiveDestination(this, { host: archiveHost(this.#name), repository })
  }

  /** Gives it its name. @throws StrataError OUTPUT_EXISTS as create; IO */
  async finish(): Promise<void> {
    const manifests = [...this.#entries].map(([name, entry]) => ({
      ...entry,
      annotations: { [REF_NAME]: name }
    }))
    const index = { schemaVersion: 2, mediaType: INDEX_TYPE, manifests }
    try {
      await this.#append('index.json', Buffer.from(JSON.stringify(index)))
      await this.#members.finish(this.#isForEveryone, () => refuseExisting(this.#name, this.#mayReplace))
      this.#isOver = true
    } catch (error) {
      throw this.#error(error)
    }
  }

  /** Removes what is there, unless it was finished. */
  async close(): Promise<void> {
    await this.#members.close()
    if (!this.#isOver) this.#members.discard()
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
      await this.#members.write(path, sizeBytes, hashing(chunks(), hash))
    } catch (error) {
      throw this.#error(error)
    }
    const found = `sha256:${hash.digest('hex')}`
    if (found === digest) return
    check?.()
    throw new StrataError('BLOB_CORRUPT', {
      message: `blob ${digest} on disk hashes to ${found}`,
      facts: { file: this.#name.file },
      hint: 'compose fsck'
    })
  }

  #error = (error: unknown): unknown => outputError(this.#name.form, this.#name.file, error)
}

async function* hashing(pieces: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    hash.update(piece)
    yield piece
  }
}

async function refuseExisting({ file, form }: ArchiveName, mayReplace: boolean): Promise<void> {
  const there = await lstat(file).catch(() => undefined)
  const mayGo = form === 'archive' && there?.isFile() === true
  if (there === undefined || (mayReplace && mayGo)) return
  throw new StrataError('OUTPUT_EXISTS', {
    message: `${file} is there`,
    facts: { file },
    hint: mayGo ? 'another name, or --replace' : `the name of a new ${form === 'layout' ? 'folder' : 'file'}`
  })
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

  /** Asking for blobs costs nothing here. */
  async hasTags(): Promise<boolean> {
    return true
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
