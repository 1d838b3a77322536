/** Sends a module to a registry: what the registry lacks, then its manifest under two tags (spec/registry.md#push). */
import type { CID } from 'multiformats/cid'
import { refuseNotRedistributable, sendingBounds } from '../access/index.ts'
import type { Store } from '../files/index.ts'
import { formatModuleName } from '../module/index.ts'
import { refuseWithdrawn } from '../policy/index.ts'
import {
  digestOf,
  formatReference,
  formatRepository,
  type ImageReference,
  type RemoteManifest
} from '../registry/index.ts'
import { formatCid, StrataError, sha256Of } from '../values/index.ts'
import { type Destination, openDestination, type SendingTo } from './destination.ts'
import { blobsOf, type SentManifest, SentModule } from './module-blobs.ts'
import { decodeIfModule } from './module-manifest.ts'
import { type RemotePrefix, repositoryOf, tagOfRecord, tagOfVersion } from './module-place.ts'
import { pushSignatures } from './push-signatures.ts'
import { notePlace, pushedPlaces } from './pushed-places.ts'
import { putArtifact } from './put-artifact.ts'
import { missingOf, type SendOptions, sendMissing } from './send-missing.ts'

export interface PushModuleOptions extends SendOptions, SendingTo {
  /** The registry stays on the site, so licences do not matter. */
  internal: boolean
  /** Let the version's tag stand for another record from now on. */
  replace: boolean
}

export interface PushedModule {
  module: string
  record: CID
  /** `HOST/REPOSITORY:TAG` */
  reference: string
  /** Of the manifest. */
  digest: string
  outcome: 'created' | 'same' | 'replaced'
  /** Bytes of blobs that were sent. */
  sentBytes: number
  /** Signatures that the registry did not have. */
  signatures: number
}

/** @throws StrataError NOT_REDISTRIBUTABLE, ACCESS_WIDER, TAG_EXISTS, REGISTRY_…, BLOB_MISSING, ACCESS_DENIED */
export async function pushModule(
  store: Store,
  id: CID,
  prefix: RemotePrefix,
  options: PushModuleOptions
): Promise<PushedModule> {
  const sent = await SentModule.read(store, id)
  const { record } = sent
  await refuseWithdrawn(store.searched, [{ name: formatModuleName(record), record: id }])
  const { isLimited, licensed } = await sendingBounds(store, record)
  refuseNotRedistributable([licensed], 'what a registry has', options)
  const place = { ...repositoryOf(prefix, record), tag: tagOfVersion(record.version) }
  const repository = openDestination(place, options)
  try {
    const name = formatModuleName(record)
    if (isLimited) await refuseOpen(name, repository, place.tag)
    const { bytes, isNew, ...pushed } = await new ModulePush(repository, place, { id, sent, options }).push()
    if (isLimited) await withdrawOpen(name, repository, pushed.digest, isNew ? [pushed.digest] : [])
    return { ...pushed, signatures: await pushSignatures(store, id, repository, bytes) }
  } finally {
    await repository.close()
  }
}

/** The rights in a registry are its own, so only one thing is known: whether nobody at all is asked for a login. */
export async function refuseOpen(what: string, repository: Destination, manifest: string): Promise<void> {
  if (!(await repository.isOpenToEverybody(manifest))) return
  throw open(what, repository, 'a repository for which the registry wants a login')
}

/**
 * Asks again when there is a manifest to ask for: an empty repository of a registry that hides its lists tells nothing.
 * @param fresh digests of manifests that were not there before
 * @throws StrataError ACCESS_WIDER after these were removed, if the registry allows it
 */
export async function withdrawOpen(
  what: string,
  repository: Destination,
  manifest: string,
  fresh: readonly string[]
): Promise<void> {
  if (!(await repository.isOpenToEverybody(manifest))) return
  const left: string[] = []
  for (const digest of fresh) if (!(await repository.removeManifest(digest))) left.push(digest)
  const hint =
    left.length === 0 && fresh.length > 0
      ? 'what was sent is removed again; push to a repository for which the registry wants a login'
      : `close the repository now, or let those who run the registry remove ${[...new Set([manifest, ...left])].join(', ')}: everybody can read it`
  throw open(what, repository, hint)
}

function open(what: string, { place }: Destination, hint: string): StrataError {
  const name = formatRepository(place)
  return new StrataError('ACCESS_WIDER', {
    message: `${what} is for some alone, and everybody can read ${name} without a login`,
    facts: { what, repository: name },
    hint
  })
}

interface Pushing {
  id: CID
  sent: SentModule
  options: PushModuleOptions
}

class ModulePush {
  readonly #repository: Destination
  readonly #place: ImageReference & { tag: string }
  readonly #pushing: Pushing

  constructor(repository: Destination, place: ImageReference & { tag: string }, pushing: Pushing) {
    this.#repository = repository
    this.#place = place
    this.#pushing = pushing
  }

  async push(): Promise<Omit<PushedModule, 'signatures'> & { bytes: Buffer; isNew: boolean }> {
    const { id, sent } = this.#pushing
    const [ofVersion, ofRecord] = await Promise.all([
      this.#repository.readManifest(this.#place.tag),
      this.#repository.readManifest(tagOfRecord(id))
    ])
    this.#refuseOther(ofVersion)
    const { manifest, sentBytes } = (await this.#useThere(ofRecord)) ?? (await this.#sendOwn())
    let { bytes } = manifest
    const tags = [
      { tag: tagOfRecord(id), there: ofRecord },
      { tag: this.#place.tag, there: ofVersion }
    ]
    // A manifest that was just read need not be put again, unless something of it was missing.
    for (const { tag, there } of tags)
      if (sentBytes > 0 || there?.digest !== digestOf(bytes))
        bytes = await putArtifact(this.#repository, tag, bytes, manifest.blobs)
    if (this.#pushing.options.archive === undefined) notePlace(id, this.#repository.place)
    const digest = digestOf(bytes)
    return {
      bytes,
      isNew: ofRecord === undefined && ofVersion?.digest !== digest,
      module: formatModuleName(sent.record),
      record: id,
      reference: formatReference(this.#place),
      digest,
      outcome: ofVersion === undefined ? 'created' : ofVersion.digest === digest ? 'same' : 'replaced',
      sentBytes
    }
  }

  /** @throws StrataError TAG_EXISTS */
  #refuseOther(ofVersion: RemoteManifest | undefined): void {
    if (ofVersion === undefined || this.#pushing.options.replace || this.#isOfRecord(ofVersion)) return
    throw new StrataError('TAG_EXISTS', {
      message: `${formatReference(this.#place)} stands for another record than that of ${formatModuleName(this.#pushing.sent.record)}`,
      facts: { there: ofVersion.digest, record: formatCid(this.#pushing.id) },
      hint: '--replace (the other record keeps its own tag), or a version of its own'
    })
  }

  #isOfRecord({ bytes }: RemoteManifest): boolean {
    return decodeIfModule(bytes)?.record.sha256 === sha256Of(this.#pushing.id)
  }

  /**
   * A manifest of the module that is there serves as well as the own one: then nothing is hashed. It may name what is not
   * here, because the module was packed or cut in another way, if all of that is there. `--replace` leaves it out of account.
   */
  async #useThere(
    there: RemoteManifest | undefined
  ): Promise<{ manifest: SentManifest; sentBytes: number } | undefined> {
    const { id, sent, options } = this.#pushing
    const named = there && decodeIfModule(there.bytes)
    if (there === undefined || options.replace || named?.record.sha256 !== sha256Of(id)) return undefined
    const own = sent.manifestLike(there.bytes)
    if (own !== undefined) {
      const sentBytes = await this.#send(own)
      return { manifest: sentBytes > 0 ? own : { ...own, bytes: there.bytes }, sentBytes }
    }
    const blobs = blobsOf(named)
    const missing = await missingOf(
      this.#repository,
      blobs.map(({ sha256, lengthBytes }) => ({ digest: `sha256:${sha256}`, sizeBytes: lengthBytes }))
    )
    return missing.length > 0 ? undefined : { manifest: { bytes: there.bytes, blobs: [] }, sentBytes: 0 }
  }

  async #sendOwn(): Promise<{ manifest: SentManifest; sentBytes: number }> {
    const manifest = await this.#pushing.sent.manifest()
    return { manifest, sentBytes: await this.#send(manifest) }
  }

  #send({ blobs }: SentManifest): Promise<number> {
    const { id, options } = this.#pushing
    const mayLieIn = pushedPlaces(id, this.#repository.place)
    return sendMissing(
      this.#repository,
      blobs.map(blob => ({ ...blob, mayLieIn })),
      options
    )
  }
}
