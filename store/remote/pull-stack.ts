/** Fetches a module, or a lock with all modules that it names, whichever a reference leads to (spec/registry.md#pull). */
import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import type { Store } from '../files/index.ts'
import { receiveModule } from '../import/index.ts'
import { decodeRecord, formatModuleName, readRef } from '../module/index.ts'
import { findTypedImage, formatReference, type ImageReference } from '../registry/index.ts'
import { type Digest, formatCid, manifestCid, StrataError } from '../values/index.ts'
import { type FoundManifest, showHost } from './manifest-source.ts'
import { type PulledModule, type PullOptions, pullFound, RemoteModule } from './pull-module.ts'
import { readSentSignatures } from './read-signatures.ts'
import { type Child, childrenIn, INDEX_TYPE, lockIn } from './stack-index.ts'

export interface Pulled {
  modules: PulledModule[]
  /** The text of the lock, if the reference leads to one. */
  lock?: Buffer
  /** Signatures of the lock's text, right or wrong. */
  lockSignatures?: Buffer[]
}

export interface PullStackOptions extends PullOptions {
  /** The modules that the text of a lock names. The form of locks is known above the store. @throws StrataError */
  modulesOf(lock: string): readonly { name?: string; record?: CID }[]
}

/** Locks are texts of some kilobytes. */
const LARGEST_LOCK_BYTES = 16 << 20
/** Records of all modules of a lock are in memory until the last one was compared with it. */
const MOST_RECORDS_BYTES = 256 << 20

/** @throws StrataError as receiveModule; REGISTRY_…, REFERENCE_NAME */
export async function pull(
  store: Store,
  reference: ImageReference,
  options: PullStackOptions
): Promise<Pulled> {
  const found = await findTypedImage(reference, options.registry, typedTags)
  return pullManifest(store, found, reference, options).finally(() => found.repository.close())
}

/** Without the tags that only keep manifests from collectors: ids of records, signatures, the parts of a lock. */
const typedTags = (tags: string[]): string[] =>
  tags.filter(
    tag =>
      !/^(bagu|sig[.])/.test(tag) &&
      !(/[.](image|lock)$/.test(tag) && tags.includes(tag.replace(/[.][a-z]+$/, '')))
  )

/** The error of a pull of several modules names those that came before it, which stay. */
export function afterPulled(error: unknown, pulled: readonly PulledModule[]): unknown {
  if (!(error instanceof StrataError) || pulled.length === 0) return error
  const { code, message, facts, hint } = error
  const before = pulled.map(({ name }) => formatModuleName(name))
  return new StrataError(code, {
    message,
    facts: { ...facts, 'pulled before': before },
    ...(hint !== undefined && { hint }),
    cause: error
  })
}

/** Like `pull`, for a manifest that was read. */
export async function pullManifest(
  store: Store,
  found: FoundManifest,
  reference: ImageReference,
  options: PullStackOptions
): Promise<Pulled> {
  const children = found.top.mediaType === INDEX_TYPE ? childrenIn(parsed(found)) : undefined
  if (children === undefined) return { modules: [await pullFound(store, found, reference, options)] }
  return pullStack(store, found, { children, reference, options })
}

interface Stack {
  children: Child[]
  reference: ImageReference
  options: PullStackOptions
}

/** Without its manifest, which can be a thousand times as large and is read again when the module is received. */
interface Arriving {
  bytes: Uint8Array
  digest: string
}

async function pullStack(
  store: Store,
  found: FoundManifest,
  { children, reference, options }: Stack
): Promise<Pulled> {
  const lock = await readLockText(found, children.find(({ kind }) => kind === 'lock')!, reference)
  const arriving = await readRecords(found, lock, { children, reference, options })
  const modules: PulledModule[] = []
  for (const { bytes, digest } of arriving) {
    const remote = new RemoteModule(found.repository, await found.repository.readManifest(digest))
    const current = readRef(store.root, decodeRecord(bytes, 'record'))
    // As for a lock that is built: a name that stands for another record here keeps it, also with --replace.
    const unlisted = current !== undefined && !current.equals(manifestCid(bytes))
    const received = await receiveModule(store, bytes, remote, { ...options, unlisted }).catch(error => {
      throw afterPulled(error, modules)
    })
    const { host, repository } = reference
    modules.push({ ...received, reference: formatReference({ host, repository, digest }), digest })
  }
  const sha256 = createHash('sha256').update(lock).digest('hex') as Digest
  return { modules, lock, lockSignatures: await readSentSignatures(found.repository, sha256) }
}

/** The records of all modules, before anything of them is published: each is one that the lock names. */
async function readRecords(
  { repository }: FoundManifest,
  lock: Buffer,
  { children, reference, options }: Stack
): Promise<Arriving[]> {
  const named = new Map(
    options
      .modulesOf(lock.toString('utf8'))
      .map(({ name, record }) => [record === undefined ? '' : formatCid(record), name])
  )
  const modules = children.filter(({ kind }) => kind === 'module')
  if (modules.length > named.size)
    throw notALock(reference, `sends ${modules.length} modules, but its lock names ${named.size}`)
  const arriving: Arriving[] = []
  let sizeBytes = 0
  for (const { digest } of modules) {
    const remote = new RemoteModule(repository, await repository.readManifest(digest))
    const bytes = await remote.readRecord({ ...reference, digest })
    const record = formatCid(manifestCid(bytes))
    const name = formatModuleName(decodeRecord(bytes, 'record'))
    if (named.get(record) !== name)
      throw notALock(reference, `sends ${name} with record ${record}, which its lock does not name`)
    sizeBytes += bytes.length
    if (sizeBytes > MOST_RECORDS_BYTES)
      throw notALock(reference, `sends records of more than ${MOST_RECORDS_BYTES} bytes together`)
    arriving.push({ bytes, digest })
  }
  return arriving
}

async function readLockText(
  { repository }: FoundManifest,
  { digest }: Child,
  reference: ImageReference
): Promise<Buffer> {
  const manifest = await repository.readManifest(digest)
  const text = lockIn(parsedBytes(manifest.bytes))
  if (text === undefined || text.sizeBytes > LARGEST_LOCK_BYTES) throw notALock(reference, 'names no lock')
  const hash = createHash('sha256')
  const pieces: Uint8Array[] = []
  for await (const piece of repository.readBlob(text.digest, text.sizeBytes)) {
    hash.update(piece)
    pieces.push(piece)
  }
  if (`sha256:${hash.digest('hex')}` === text.digest) return Buffer.concat(pieces)
  throw notALock(reference, `sends a lock with other bytes than ${text.digest}`)
}

const parsed = ({ top }: FoundManifest): unknown => parsedBytes(top.bytes)

function parsedBytes(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}

const notALock = (reference: ImageReference, fault: string): StrataError =>
  new StrataError('REGISTRY_INVALID', {
    message: `${showHost(reference)}: ${formatReference(reference)} ${fault}`,
    facts: { registry: reference.host, repository: reference.repository }
  })
