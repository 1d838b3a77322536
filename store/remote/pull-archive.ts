/** Fetches modules and locks from an archive or a folder that has the form of an OCI layout (spec/registry.md#archives). */
import { createHash } from 'node:crypto'
import type { Store } from '../files/index.ts'
import type { ImageReference, RemoteManifest } from '../registry/index.ts'
import { isMap, StrataError, type Stretch } from '../values/index.ts'
import { REF_NAME } from './archive-name.ts'
import { isModuleManifest } from './module-manifest.ts'
import { afterPulled, type Pulled, type PullStackOptions, pullManifest } from './pull-stack.ts'
import { childrenIn } from './stack-index.ts'

/** The files of a layout. */
export interface LayoutSource {
  /** @param path relative, without `..` */
  find(path: string): { sizeBytes: number; chunks(): AsyncIterable<Uint8Array> } | undefined
}

const LARGEST_DOCUMENT_BYTES = 16 << 20
/** Distinct manifests in index.json, and in the indexes of locks. An archive of a whole site has some thousands. */
const MOST_MANIFESTS = 20_000

interface Entry {
  /** Name in the layout; undefined if it has none. */
  name?: string
  mediaType: string
  digest: string
}

/**
 * Everything in the layout that is a module or a lock, or what one name stands for.
 * @param host of its references: `oci-archive:FILE`
 * @throws StrataError REGISTRY_UNKNOWN for a name that is not there, REGISTRY_INVALID; as pull
 */
export async function pullArchive(
  store: Store,
  files: LayoutSource,
  { host, name }: { host: string; name?: string },
  options: PullStackOptions
): Promise<Pulled> {
  const layout = await Layout.read(files, host)
  const wanted = layout.entries.filter(entry => name === undefined || entry.name === name)
  const digests = new Set(wanted.map(({ digest }) => digest))
  const tops = await topsIn(layout, digests, name !== undefined)
  if (tops.length === 0) throw layout.nothing(name)
  const pulled: Pulled = { modules: [] }
  for (const digest of tops) {
    const top = await layout.readManifest(digest)
    const reference = { host, repository: '', digest: top.digest }
    const found = { repository: layout, top, notes: [] }
    const { modules, ...lock } = await pullManifest(store, found, reference, options).catch(error => {
      throw afterPulled(error, pulled.modules)
    })
    if (pulled.lock !== undefined && lock.lock !== undefined) throw layout.severalLocks()
    pulled.modules.push(...modules)
    Object.assign(pulled, lock)
  }
  return pulled
}

const parsed = ({ bytes }: RemoteManifest): unknown => {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}

/** Locks, and modules that came with none of them. One manifest at a time is in memory. */
async function topsIn(layout: Layout, digests: Set<string>, isNamed: boolean): Promise<string[]> {
  const tops: string[] = []
  const parts = new Set<string>()
  for (const wanted of digests) {
    const document = parsed(await layout.readManifest(wanted))
    const children = childrenIn(document)
    if (isNamed || children !== undefined || isModuleManifest(document)) tops.push(wanted)
    for (const { digest } of children ?? []) parts.add(digest)
    layout.refuseMany(parts.size)
  }
  return tops.filter(digest => !parts.has(digest))
}

/** Reads a layout as if it was a repository. Whoever asks compares the bytes of blobs with their digests. */
class Layout {
  readonly place: ImageReference
  readonly entries: readonly Entry[]
  readonly #files: LayoutSource
  /** The first entry of each digest, and of each last part of a name. */
  readonly #known = new Map<string, Entry>()

  private constructor(files: LayoutSource, host: string, entries: Entry[]) {
    this.#files = files
    this.place = { host, repository: '' }
    this.entries = entries
    for (const entry of entries.toReversed()) {
      this.#known.set(entry.digest, entry)
      if (entry.name !== undefined) this.#known.set(`:${lastPart(entry.name)}`, entry)
    }
    this.refuseMany(new Set(entries.map(({ digest }) => digest)).size)
  }

  static async read(files: LayoutSource, host: string): Promise<Layout> {
    const empty = new Layout(files, host, [])
    const document = parsed({ bytes: await empty.#document('index.json'), mediaType: '', digest: '' })
    if (!isMap(document) || !Array.isArray(document.manifests))
      throw empty.#refuse('its index.json lists nothing')
    return new Layout(files, host, document.manifests.flatMap(entryOf))
  }

  /** @param reference a digest, or the last part of a name */
  async readManifest(reference: string): Promise<RemoteManifest> {
    const isDigest = DIGEST.test(reference)
    const known = this.#known.get(isDigest ? reference : `:${reference}`)
    const digest = isDigest ? reference : known?.digest
    if (digest === undefined) throw this.nothing(reference)
    const bytes = await this.#document(pathOf(digest))
    const found = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    if (found !== digest) throw this.#refuse(`manifest ${digest} hashes to ${found}`)
    const said = parsed({ bytes, mediaType: '', digest })
    const mediaType = known?.mediaType ?? (isMap(said) ? String(said.mediaType) : '')
    return { bytes, mediaType, digest }
  }

  async *readBlob(
    digest: string,
    sizeBytes: number,
    { start, lengthBytes }: Stretch = { start: 0, lengthBytes: sizeBytes }
  ): AsyncGenerator<Uint8Array> {
    const file = DIGEST.test(digest) ? this.#files.find(pathOf(digest)) : undefined
    if (file?.sizeBytes !== sizeBytes)
      throw this.#refuse(
        `blob ${digest} ${file === undefined ? 'is not there' : `has ${file.sizeBytes} bytes, wanted ${sizeBytes}`}`
      )
    // More than there should be is the reader's to refuse.
    const end = start + lengthBytes === sizeBytes ? Infinity : start + lengthBytes
    let position = 0
    for await (const piece of file.chunks()) {
      const wanted = piece.subarray(Math.max(0, start - position), Math.max(0, end - position))
      position += piece.length
      if (wanted.length > 0) yield wanted
      if (position >= end) return
    }
  }

  async listTags(): Promise<string[]> {
    return this.entries.flatMap(({ name }) => lastPart(name) ?? [])
  }

  async close(): Promise<void> {}

  nothing(name: string | undefined): StrataError {
    const names = this.entries.flatMap(({ name }) => name ?? [])
    return new StrataError('REGISTRY_UNKNOWN', {
      message:
        name === undefined
          ? `${this.place.host} holds neither a module nor a lock`
          : `${this.place.host} has nothing of the name ${name}`,
      facts: { names: names.slice(0, 20) },
      hint:
        name === undefined
          ? `compose import MODULE ${this.place.host.replace(/^[a-z-]+:/, '')}, if it holds an image`
          : this.place.host
    })
  }

  /** @throws StrataError REGISTRY_INVALID */
  refuseMany(manifests: number): void {
    if (manifests > MOST_MANIFESTS)
      throw this.#refuse(`it lists ${manifests} manifests or more, the limit is ${MOST_MANIFESTS}`)
  }

  severalLocks(): StrataError {
    const names = this.entries.flatMap(({ name }) => (name?.endsWith('.lock') ? name.slice(0, -5) : []))
    return new StrataError('SOURCE_CHOICE', {
      message: `${this.place.host} holds several locks: wanted the name of one`,
      facts: { names },
      hint: `compose pull ${this.place.host}:${names[0] ?? 'NAME'}`
    })
  }

  async #document(path: string): Promise<Buffer> {
    const file = this.#files.find(path)
    if (file === undefined) throw this.#refuse(`${path} is not there`)
    if (file.sizeBytes > LARGEST_DOCUMENT_BYTES)
      throw this.#refuse(`${path} has ${file.sizeBytes} bytes, more than a document may have`)
    const pieces: Uint8Array[] = []
    for await (const piece of file.chunks()) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  #refuse(fault: string): StrataError {
    return new StrataError('REGISTRY_INVALID', {
      message: `${this.place.host}: ${fault}`,
      facts: { archive: this.place.host },
      hint: 'copy it again from where it comes'
    })
  }
}

const DIGEST = /^sha256:[0-9a-f]{64}$/
const pathOf = (digest: string): string => `blobs/sha256/${digest.slice('sha256:'.length)}`
const lastPart = (name: string | undefined): string | undefined => name?.slice(name.lastIndexOf(':') + 1)

function entryOf(value: unknown): Entry[] {
  if (!isMap(value)) return []
  const { mediaType, digest, annotations } = value
  if (typeof mediaType !== 'string' || typeof digest !== 'string' || !DIGEST.test(digest)) return []
  const name = isMap(annotations) ? annotations[REF_NAME] : undefined
  return [{ mediaType, digest, ...(typeof name === 'string' && { name }) }]
}
