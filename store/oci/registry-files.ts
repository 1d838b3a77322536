import type { FoundImage } from '../registry/index.ts'
import { formatBlobDigest } from './descriptor.ts'
import type { ImageFile, ImageFiles, NamedBlob } from './image-files.ts'
import { isImageConfig, isIndex, isManifest } from './media-types.ts'
import { INDEX_FILE, LAYOUT_FILE } from './read-layout.ts'
import { imageInvalid } from './refuse-image.ts'

/** Manifests and configs are asked for more than once; they are fetched once, as long as they are small. */
const MOST_KEPT_BYTES = 32 << 20

/**
 * An image in a registry, read like a layout whose index lists what the reference names. A blob's size is what its
 * descriptor says: while it comes, the client refuses any other.
 */
export class RegistryFiles implements ImageFiles {
  readonly name: string
  readonly fileName = undefined
  readonly #found: FoundImage
  readonly #named: ReadonlyMap<string, Buffer>
  readonly #kept = new Map<string, Buffer>()
  #keptBytes = 0

  /**
   * @param name as users write it, for messages
   * @param reference for the record
   */
  constructor(found: FoundImage, { name, reference }: { name: string; reference: string }) {
    this.name = name
    this.#found = found
    const { bytes, mediaType, digest } = found.top
    const annotations = { 'io.containerd.image.name': reference }
    const index = { schemaVersion: 2, manifests: [{ mediaType, digest, size: bytes.length, annotations }] }
    this.#named = new Map([
      [LAYOUT_FILE, Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
      [INDEX_FILE, Buffer.from(JSON.stringify(index))]
    ])
    this.#keep(digest, bytes)
  }

  find(path: string, announced?: NamedBlob): ImageFile | undefined {
    const named = this.#named.get(path)
    if (named !== undefined) return fileOf(named)
    if (announced === undefined) return undefined
    const { sizeBytes } = announced
    return { sizeBytes, chunks: () => this.#chunks(announced) }
  }

  close(): Promise<void> {
    return this.#found.repository.close()
  }

  async *#chunks({ mediaType, digest, sizeBytes }: NamedBlob): AsyncGenerator<Uint8Array> {
    const { repository } = this.#found
    const name = formatBlobDigest(digest)
    const isDocument = isManifest(mediaType) || isIndex(mediaType)
    const known = this.#kept.get(name)
    if (known !== undefined) yield known
    else if (isDocument) yield this.#keep(name, await this.#readManifest(name, sizeBytes))
    else if (isImageConfig(mediaType))
      yield this.#keep(name, await gather(repository.readBlob(name, sizeBytes)))
    else yield* repository.readBlob(name, sizeBytes)
  }

  async #readManifest(digest: string, sizeBytes: number): Promise<Buffer> {
    const { bytes } = await this.#found.repository.readManifest(digest)
    if (bytes.length === sizeBytes) return bytes
    const fault = `manifest ${digest} has ${bytes.length} bytes, its descriptor says ${sizeBytes}`
    throw imageInvalid(this.name, fault)
  }

  #keep(digest: string, bytes: Buffer): Buffer {
    this.#keptBytes += bytes.length
    if (this.#keptBytes <= MOST_KEPT_BYTES) this.#kept.set(digest, bytes)
    return bytes
  }
}

const fileOf = (bytes: Buffer): ImageFile => ({ sizeBytes: bytes.length, chunks: () => once(bytes) })

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function gather(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const gathered: Uint8Array[] = []
  for await (const piece of pieces) gathered.push(piece)
  return Buffer.concat(gathered)
}
