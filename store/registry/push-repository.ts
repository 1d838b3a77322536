/**
 * Writing into a repository of a registry: blobs that it lacks, then manifests, which are read back. Registries collect
 * garbage beside their own caches: some answer that a blob is there, and have no bytes (spec/registry.md#push).
 */
import { createHash } from 'node:crypto'
import { StrataError } from '../values/index.ts'
import { formatRepository, type ImageReference } from './reference.ts'
import { type ImagePlace, ownPlace } from './registries-conf.ts'
import { invalidAnswer } from './registry-errors.ts'
import {
  addressIn,
  pauseAfter,
  type RegistryRequest,
  RegistrySession,
  type RegistrySettings
} from './registry-session.ts'
import { MANIFEST_TYPES, type RemoteManifest, RemoteRepository } from './remote-repository.ts'

export interface PushedBlob {
  /** `sha256:…` */
  digest: string
  sizeBytes: number
  /** Its bytes, anew at each call. */
  chunks(): AsyncIterable<Uint8Array>
  /** Called if the registry does not take the bytes. @throws StrataError if they are not those of the digest */
  check?(): void
}

const MOST_UPLOADS = 3
/** Of a tag that was just put: copies of a registry may know it a moment later. */
const MOST_READS = 3
const PUT_PATIENCE_MS = 600_000

export class PushRepository {
  readonly place: ImagePlace
  readonly #session: RegistrySession
  readonly #settings: RegistrySettings
  readonly #reader: RemoteRepository

  /** Mirrors are for reading alone, so this writes to the place that settings give last. */
  constructor(reference: ImageReference, settings: RegistrySettings) {
    this.place = ownPlace(reference, settings.environment)
    this.#settings = settings
    this.#session = new RegistrySession(this.place, settings, { actions: 'pull,push' })
    this.#reader = new RemoteRepository(this.place, settings, this.#session)
  }

  /** The manifest that a tag or digest stands for; undefined if there is none. @throws StrataError REGISTRY_… */
  readManifest(reference: string): Promise<RemoteManifest | undefined> {
    return this.#reader.readManifest(reference).catch(error => {
      if (error instanceof StrataError && error.code === 'REGISTRY_UNKNOWN') return undefined
      throw error
    })
  }

  /** False if the repository has no tag, so that no push to it was ever finished. True if it does not tell. */
  hasTags(): Promise<boolean> {
    return this.#reader.listTags().then(
      tags => tags.length > 0,
      error => !(error instanceof StrataError && error.code === 'REGISTRY_UNKNOWN')
    )
  }

  /**
   * Sends a blob that the registry lacks.
   * @returns false if it was there
   * @throws StrataError REGISTRY_…
   */
  async putBlob(blob: PushedBlob): Promise<boolean> {
    if (await this.hasBlob(blob)) return false
    await this.sendBlob(blob)
    return true
  }

  /**
   * Lets the registry take a blob from another of its repositories.
   * @returns false if it did not, because it is not there, or this user may not read it
   */
  async mountBlob(digest: string, from: string): Promise<boolean> {
    try {
      const answer = await this.#session.send({
        method: 'POST',
        path: `/v2/${this.place.repository}/blobs/uploads/?mount=${digest}&from=${from}`,
        headers: { 'content-length': '0' },
        what: `blob ${digest} of ${this.place.host}/${from}`,
        expected: [201, 202]
      })
      answer.drop()
      return answer.status === 201
    } catch (error) {
      if (error instanceof StrataError) return false
      throw error
    }
  }

  /** Sends a blob without asking whether it is there. @throws StrataError REGISTRY_… */
  async sendBlob(blob: PushedBlob): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#upload(blob)
      } catch (error) {
        blob.check?.()
        const mayWork = error instanceof StrataError && AGAIN.includes(error.code)
        if (!mayWork || tries === MOST_UPLOADS) throw error
        await this.#session.pause(pauseAfter(tries))
      }
    }
  }

  /**
   * @param blobs that it names; sent once more if the registry does not find them
   * @throws StrataError REGISTRY_INVALID if the registry takes it and does not have it afterwards, by its digest and its tag
   */
  async putManifest(tag: string, bytes: Buffer, mediaType: string, blobs: PushedBlob[]): Promise<string> {
    const digest = await this.#putByDigest(tag, bytes, mediaType, blobs)
    await this.#assertTagged(tag, digest)
    return digest
  }

  async #putByDigest(tag: string, bytes: Buffer, mediaType: string, blobs: PushedBlob[]): Promise<string> {
    const digest = digestOf(bytes)
    await this.#put(tag, bytes, mediaType).catch(async error => {
      if (!(error instanceof StrataError) || !/BLOB_UNKNOWN/.test(error.message)) throw error
      for (const blob of blobs) await this.#upload(blob)
      await this.#put(tag, bytes, mediaType)
    })
    if (await this.#isThere(digest, bytes)) return digest
    // A registry whose cache outlived its garbage collection takes it again when its bytes come as a blob.
    await this.#upload({ digest, sizeBytes: bytes.length, chunks: () => once(bytes) })
    await this.#put(tag, bytes, mediaType)
    if (await this.#isThere(digest, bytes)) return digest
    throw new StrataError('REGISTRY_INVALID', {
      message: `registry ${this.place.host}: it takes manifest ${digest} of ${this.#name}, and does not have it afterwards`,
      facts: { registry: this.place.host, repository: this.#name },
      hint: 'ask those who run the registry to restart it: after a garbage collection, its cache may name what is gone'
    })
  }

  /** Everybody asks for the tag, so a registry that keeps manifests by their digests alone has lost it. */
  async #assertTagged(tag: string, digest: string): Promise<void> {
    let found: RemoteManifest | undefined
    for (let tries = 1; tries <= MOST_READS; tries++) {
      found = await this.readManifest(tag)
      if (found?.digest === digest) return
      if (tries < MOST_READS) await this.#session.pause(pauseAfter(tries))
    }
    const there = found === undefined ? 'does not have the tag' : `has ${found.digest} under the tag`
    throw new StrataError('REGISTRY_INVALID', {
      message: `registry ${this.place.host}: it takes manifest ${digest} as ${this.#name}:${tag}, and ${there} afterwards`,
      facts: { registry: this.place.host, repository: this.#name, tag },
      hint: 'push again: somebody may have pushed to the tag at the same time; else ask those who run the registry'
    })
  }

  /**
   * True if nobody needs a login to read the repository, as far as the registry says. Some registries tell their lists to
   * accounts alone and give manifests to everybody.
   * @param manifest a tag or digest; it proves something only if it is there
   */
  async isOpenToEverybody(manifest: string): Promise<boolean> {
    const ofTags = { path: `/v2/${this.place.repository}/tags/list`, what: 'the list of tags' }
    if (await this.#isAnsweredToNobody({ ...ofTags, expected: [200, 404] })) return true
    return this.#isAnsweredToNobody({
      path: `/v2/${this.place.repository}/manifests/${manifest}`,
      headers: { accept: MANIFEST_TYPES.join(', ') },
      what: `manifest ${manifest} of ${this.#name}`,
      expected: [200]
    })
  }

  /** @returns false if the registry does not let this manifest be removed */
  async removeManifest(digest: string): Promise<boolean> {
    try {
      const answer = await this.#session.send({
        method: 'DELETE',
        path: `/v2/${this.place.repository}/manifests/${digest}`,
        what: `manifest ${digest} of ${this.#name}`,
        expected: [200, 202, 204]
      })
      answer.drop()
      return true
    } catch (error) {
      if (error instanceof StrataError) return false
      throw error
    }
  }

  async #isAnsweredToNobody(request: RegistryRequest): Promise<boolean> {
    const nobody = new RegistrySession(this.place, this.#settings, { actions: 'pull', credentials: null })
    try {
      const answer = await nobody.send(request)
      answer.drop()
      return true
    } catch (error) {
      if (error instanceof StrataError && NOT_ANSWERED.includes(error.code)) return false
      throw error
    } finally {
      await nobody.close()
    }
  }

  close(): Promise<void> {
    return this.#session.close()
  }

  get #name(): string {
    return formatRepository(this.place)
  }

  /** Reads the last byte: HEAD may be answered by a cache of what is gone. */
  async hasBlob({ digest, sizeBytes }: Omit<PushedBlob, 'chunks'>): Promise<boolean> {
    const last = sizeBytes - 1
    try {
      const answer = await this.#session.send({
        path: `/v2/${this.place.repository}/blobs/${digest}`,
        headers: { range: `bytes=${last}-${last}` },
        what: `blob ${digest} of ${this.#name}`,
        expected: [200, 206, 404]
      })
      if (answer.status !== 206) {
        answer.drop()
        return answer.status === 200 && Number(answer.header('content-length')) === sizeBytes
      }
      let bytes = 0
      for await (const piece of answer.body) {
        bytes += piece.length
        if (bytes > 1) break
      }
      return bytes === 1 && answer.header('content-range') === `bytes ${last}-${last}/${sizeBytes}`
    } catch (error) {
      // A login that is not enough is; anything else is found out by sending the blob.
      if (error instanceof StrataError && error.code === 'REGISTRY_DENIED') throw error
      return false
    }
  }

  async #upload({ digest, sizeBytes, chunks }: PushedBlob): Promise<void> {
    const what = `upload of blob ${digest} to ${this.#name}`
    const begun = await this.#session.send({
      method: 'POST',
      path: `/v2/${this.place.repository}/blobs/uploads/`,
      headers: { 'content-length': '0' },
      what,
      expected: [202]
    })
    begun.drop()
    const location = begun.header('location')
    if (location === undefined) throw invalidAnswer(this.place.host, `${what}: it does not say where to`)
    const address = addressIn(this.place.host, location, begun.url)
    address.searchParams.set('digest', digest)
    const done = await this.#session.send({
      method: 'PUT',
      path: address.href,
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(sizeBytes) },
      body: chunks,
      patienceMs: PUT_PATIENCE_MS,
      isOnce: true,
      what,
      expected: [201]
    })
    done.drop()
    const said = done.header('docker-content-digest')
    if (said !== undefined && said !== digest)
      throw invalidAnswer(this.place.host, `${what}: it has ${said} afterwards`)
  }

  async #put(tag: string, bytes: Buffer, mediaType: string): Promise<void> {
    const answer = await this.#session.send({
      method: 'PUT',
      path: `/v2/${this.place.repository}/manifests/${tag}`,
      headers: { 'content-type': mediaType },
      body: bytes,
      what: `manifest ${tag} of ${this.#name}`,
      expected: [201]
    })
    answer.drop()
  }

  async #isThere(digest: string, bytes: Buffer): Promise<boolean> {
    return (await this.readManifest(digest))?.bytes.equals(bytes) === true
  }
}

const NOT_ANSWERED: readonly string[] = ['REGISTRY_DENIED', 'REGISTRY_UNKNOWN']
const AGAIN: readonly string[] = ['REGISTRY_UNREACHABLE', 'REGISTRY_UNKNOWN']

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}
