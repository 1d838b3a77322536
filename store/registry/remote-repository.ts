/** One repository of a registry: its manifests, and its blobs as streams that go on after a cut. */
import { createHash } from 'node:crypto'
import { StrataError, type Stretch } from '../values/index.ts'
import { readBounded } from './bounded-body.ts'
import { listNames } from './list-names.ts'
import { formatReference, type ImageReference, isDigest } from './reference.ts'
import { type ImagePlace, ownPlace, placesOf } from './registries-conf.ts'
import { invalidAnswer, shownStart } from './registry-errors.ts'
import { nameOf, pauseAfter, RegistrySession, type RegistrySettings } from './registry-session.ts'
import { type Answer, ConnectionFailed, unreachableBy } from './transport.ts'

/** Without all of them, a registry may answer that it has no such manifest. */
export const MANIFEST_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json'
]

const MOST_MANIFEST_BYTES = 16 << 20

export interface RemoteManifest {
  bytes: Buffer
  mediaType: string
  /** Of these bytes. */
  digest: string
}

/** What is still to come of a blob: the bytes from `position` to `end`. */
interface Asked {
  position: number
  end: number
  sizeBytes: number
  what: string
}

/** Cuts in a row without progress before a download is given up, and the progress that counts. */
const MOST_CUTS = 5
const PROGRESS_BYTES = 1 << 20

export class RemoteRepository {
  readonly place: ImagePlace
  readonly #session: RegistrySession

  /** @param session with more rights, if the caller has one */
  constructor(
    place: ImagePlace,
    settings: RegistrySettings,
    session = new RegistrySession(place, settings, { actions: 'pull' })
  ) {
    this.place = place
    this.#session = session
  }

  /**
   * @param reference a tag or a digest; a digest is compared with the bytes
   * @throws StrataError REGISTRY_UNKNOWN, REGISTRY_DENIED, REGISTRY_UNREACHABLE, REGISTRY_INVALID
   */
  async readManifest(reference: string): Promise<RemoteManifest> {
    const what = `manifest ${reference} of ${nameOf(this.place)}`
    for (let cuts = 0; ; cuts++) {
      const answer = await this.#session.send({
        path: `/v2/${this.place.repository}/manifests/${reference}`,
        headers: { accept: MANIFEST_TYPES.join(', ') },
        what,
        expected: [200]
      })
      try {
        const bytes = await readBounded(answer, MOST_MANIFEST_BYTES, what)
        return {
          bytes,
          mediaType: this.#typeOf(answer, what),
          digest: this.#checkDigest(bytes, reference, what)
        }
      } catch (error) {
        if (!(error instanceof ConnectionFailed)) throw error
        if (cuts === MOST_CUTS) throw unreachableBy(answer.url, error)
        await this.#session.pause(pauseAfter(cuts + 1))
      }
    }
  }

  /**
   * The bytes of a blob, or some of them. A cut connection is taken up again where it broke off. There are never more bytes
   * than were announced, and fewer are an error; their digest is compared by the reader.
   * @throws StrataError as readManifest
   */
  async *readBlob(
    digest: string,
    sizeBytes: number,
    { start, lengthBytes }: Stretch = { start: 0, lengthBytes: sizeBytes }
  ): AsyncGenerator<Uint8Array> {
    const what = `blob ${digest} of ${nameOf(this.place)}`
    const end = start + lengthBytes
    let position = start
    let cuts = 0
    let lastCutAt = start
    while (position < end) {
      const answer = await this.#ask(digest, { position, end, sizeBytes, what })
      try {
        for await (const piece of this.#fitting(answer, { position, end, sizeBytes, what })) {
          position += piece.length
          yield piece
        }
        if (position === end) return
        throw new ConnectionFailed(Object.assign(new Error('closed'), { code: 'UND_ERR_SOCKET' }))
      } catch (error) {
        if (!(error instanceof ConnectionFailed)) throw error
        cuts = position - lastCutAt >= PROGRESS_BYTES ? 1 : cuts + 1
        lastCutAt = position
        if (cuts > MOST_CUTS) throw this.#cutOff(error, { position, sizeBytes, what })
        await this.#session.pause(pauseAfter(cuts))
      }
    }
  }

  /** @throws StrataError REGISTRY_… */
  listTags(): Promise<string[]> {
    return listNames(this.#session, this.place, {
      path: `/v2/${this.place.repository}/tags/list`,
      key: 'tags'
    })
  }

  close(): Promise<void> {
    return this.#session.close()
  }

  #ask(digest: string, { position, end, sizeBytes, what }: Asked): Promise<Answer> {
    const isFromStart = position === 0 && end === sizeBytes
    return this.#session.send({
      path: `/v2/${this.place.repository}/blobs/${digest}`,
      headers: isFromStart ? {} : { range: `bytes=${position}-${end === sizeBytes ? '' : end - 1}` },
      what,
      expected: isFromStart ? [200] : [200, 206]
    })
  }

  /** The pieces from a position on, whether the registry goes on there or begins anew. */
  async *#fitting(answer: Answer, { position, end, sizeBytes, what }: Asked): AsyncGenerator<Uint8Array> {
    const from = answer.status === 206 ? this.#startOf(answer, what) : 0
    if (from > position) {
      answer.drop()
      throw this.#invalid(`${what}: asked for the bytes from ${position} on, it sends those from ${from} on`)
    }
    let skipped = position - from
    let left = end - position
    for await (const piece of answer.body) {
      const wanted = piece.subarray(Math.min(skipped, piece.length))
      skipped -= piece.length - wanted.length
      if (wanted.length > left && end === sizeBytes) {
        answer.drop()
        throw this.#invalid(`${what} has more than the ${sizeBytes} bytes that its descriptor says`)
      }
      const fitting = wanted.subarray(0, left)
      left -= fitting.length
      if (fitting.length > 0) yield fitting
      // A registry that does not know ranges sends all that follows as well.
      if (wanted.length > fitting.length) return
    }
  }

  #startOf(answer: Answer, what: string): number {
    const range = answer.header('content-range') ?? ''
    const start = /^bytes ([0-9]{1,15})-[0-9]+\/(?:[0-9]+|\*)$/.exec(range)?.[1]
    if (start !== undefined) return Number(start)
    throw this.#invalid(`${what}: it sends a part without saying which (Content-Range: ${range})`)
  }

  #typeOf(answer: Answer, what: string): string {
    const type = (answer.header('content-type') ?? '').split(';')[0].trim().toLowerCase()
    if (MANIFEST_TYPES.includes(type)) return type
    const isOld = type.startsWith('application/vnd.docker.distribution.manifest.v1+')
    throw this.#invalid(
      isOld
        ? `${what} is in docker's schema 1, which is not read: push the image again, with a newer tool`
        : `${what} comes as "${shownStart(type)}", which is not a manifest or index of OCI or docker`
    )
  }

  #checkDigest(bytes: Buffer, reference: string, what: string): string {
    const [algorithm, hex] = reference.split(':')
    if (hex !== undefined && !isDigest(reference)) throw this.#invalid(`${what}: not a digest`)
    if (hex === undefined) return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const found = createHash(algorithm).update(bytes).digest('hex')
    if (found === hex) return reference
    throw this.#invalid(`${what} hashes to ${algorithm}:${found}: it is damaged, or another manifest`)
  }

  #cutOff(
    cause: Error,
    { position, sizeBytes, what }: { position: number; sizeBytes: number; what: string }
  ) {
    return new StrataError('REGISTRY_UNREACHABLE', {
      message: `registry ${this.#session.host}: ${what}: the connection broke off again and again, at ${position} of ${sizeBytes} bytes`,
      facts: { registry: this.#session.host },
      cause
    })
  }

  #invalid(fault: string): StrataError {
    return invalidAnswer(this.#session.host, fault, { repository: nameOf(this.place) })
  }
}

/** The registry itself, and no mirror: for what changes there. Connections and tokens serve until it is closed. */
export const openRepository = (
  name: Pick<ImageReference, 'host' | 'repository'>,
  settings: RegistrySettings
): RemoteRepository => new RemoteRepository(ownPlace(name, settings.environment), settings)

/** @throws StrataError REGISTRY_UNKNOWN for a repository that is not there, and as listRepositories */
export async function listTags(
  name: Pick<ImageReference, 'host' | 'repository'>,
  settings: RegistrySettings
): Promise<string[]> {
  const repository = openRepository(name, settings)
  return repository.listTags().finally(() => repository.close())
}

export interface FoundImage {
  repository: RemoteRepository
  /** The index or manifest that the reference names. */
  top: RemoteManifest
  /** Places that could not give it, with the reasons. */
  notes: string[]
}

/**
 * The image that a reference names, from the first place that has it: mirrors, then the registry.
 * @throws StrataError of the last place
 */
export async function findImage(reference: ImageReference, settings: RegistrySettings): Promise<FoundImage> {
  const notes: string[] = []
  const places = placesOf(reference, settings.environment)
  for (const [i, place] of places.entries()) {
    const repository = new RemoteRepository(place, settings)
    try {
      const top = await repository.readManifest(place.digest ?? place.tag!)
      return { repository, top, notes }
    } catch (error) {
      await repository.close()
      if (!(error instanceof StrataError) || i === places.length - 1) throw error
      notes.push(`mirror ${formatReference(place)} was passed over: ${error.message}`)
    }
  }
  throw new RangeError('no place') // placesOf names at least the registry itself
}
