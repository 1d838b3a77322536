/**
 * Signatures in a store: `refs/signatures/ab/<record id>.<key>` (spec/signatures.md#store). Everybody who publishes may
 * add one, so a file may hold anything: it counts for what can be checked, and its owner says nothing.
 */
import type { CID } from 'multiformats/cid'
import { constants } from '../../native/index.ts'
import {
  entriesBelow,
  foldersBelow,
  readPlainFile,
  SIGNATURES,
  type Store,
  type StorePath,
  storeFolder,
  TemporaryFile
} from '../files/index.ts'
import { DAG_JSON, digestOf, formatCid, parseCid, StrataError, sha256Of } from '../values/index.ts'
import type { PublicKey } from './public-key.ts'
import {
  decodeSignature,
  LARGEST_SIGNATURE_BYTES,
  NAMESPACE,
  type Namespace,
  verifyMessage
} from './sshsig.ts'
import { WireFault } from './wire.ts'

/** Id of a record, fingerprint of a key, and for a second file of one key the beginning of its hash. */
const NAME = /^(b[a-z2-7]{60})\.([0-9a-f]{64})(?:\.[0-9a-f]{32})?$/

/** Limit on signatures of one record in one store that are read. Only somebody who wants to stop others makes more. */
const MOST_SIGNATURES = 1000

/** A signature that was compared with its message. */
export interface CheckedSignature {
  /** The whole path of the file, or its name elsewhere. */
  file: string
  /** Undefined if the file is not a signature. */
  key?: PublicKey
  /** Undefined if the signature is right. */
  fault?: string
  /** False if a FIDO token says that nobody touched it. */
  isTouched: boolean
}

const folderOf = (record: CID): StorePath => `${SIGNATURES}/${sha256Of(record).slice(0, 2)}`

/**
 * Signatures of a record in the stores that are searched, right or wrong: of each store the first 1000.
 * @param message the bytes of the record
 * @param first SHA-256 of the keys whose signatures come before all others
 * @throws StrataError STORE_FOLDER, IO
 */
export function readSignatures(
  { searched }: Pick<Store, 'searched'>,
  record: CID,
  message: Uint8Array,
  first?: ReadonlySet<string>
): CheckedSignature[] {
  const found = new Map<string, CheckedSignature>()
  for (const { root } of searched)
    for (const path of signaturePaths(root, record, first)) {
      const checked = readSignature(root, path, message)
      if (checked === undefined) continue
      const key = checked.fault === undefined ? checked.key!.digest : checked.file
      if (!found.has(key)) found.set(key, checked)
    }
  return [...found.values()]
}

/** Always in the same order: the usual name of each key before its second ones, so that no key can use up the limit. */
function signaturePaths(root: string, record: CID, first?: ReadonlySet<string>): StorePath[] {
  const folder = folderOf(record)
  const start = `${formatCid(record)}.`
  const found = (storeFolder(root).list(folder) ?? [])
    .filter(({ name }) => name.startsWith(start))
    .flatMap(({ name }) => {
      const [, , key] = NAME.exec(name) ?? []
      if (key === undefined) return []
      const isSecond = name.length > start.length + key.length
      return [{ name, rank: (first?.has(key) ? 0 : 2) + (isSecond ? 1 : 0) }]
    })
  return found
    .sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1))
    .slice(0, MOST_SIGNATURES)
    .map(({ name }) => `${folder}/${name}`)
}

/** The right signatures of a record, one for each key, to be handed on. @throws as readSignatures */
export function soundSignatures(
  { searched }: Pick<Store, 'searched'>,
  record: CID,
  message: Uint8Array
): { key: PublicKey; bytes: Buffer }[] {
  const found = new Map<string, { key: PublicKey; bytes: Buffer }>()
  for (const { root } of searched)
    for (const path of signaturePaths(root, record)) {
      const checked = readSignature(root, path, message)
      const key = checked?.fault === undefined ? checked?.key : undefined
      if (key === undefined || found.has(key.digest)) continue
      const refuse = (_path: string, fault: string) => new WireFault(fault)
      const bytes = readPlainFile(storeFolder(root), path, { mostBytes: LARGEST_SIGNATURE_BYTES, refuse })
      if (bytes !== undefined) found.set(key.digest, { key, bytes })
    }
  return [...found.values()]
}

/** One file, compared with the bytes of its record. Undefined if it was removed meanwhile. */
export function readSignature(
  root: string,
  path: StorePath,
  message: Uint8Array
): CheckedSignature | undefined {
  const file = storeFolder(root).displayPath(path)
  try {
    const refuse = (_path: string, fault: string) => new WireFault(fault)
    const bytes = readPlainFile(storeFolder(root), path, { mostBytes: LARGEST_SIGNATURE_BYTES, refuse })
    if (bytes === undefined) return undefined
    const checked = checkSigned(file, bytes, message, NAMESPACE.module)
    const named = NAME.exec(path.slice(path.lastIndexOf('/') + 1))![2]
    if (checked.key === undefined || checked.key.digest === named) return checked
    return {
      ...checked,
      fault: checked.fault ?? `it is by another key than its name says: ${checked.key.fingerprint}`
    }
  } catch (error) {
    if (error instanceof WireFault) return { file, fault: error.message, isTouched: false }
    if ((error as NodeJS.ErrnoException).code === 'EACCES')
      return { file, fault: 'it cannot be read: permission denied', isTouched: false }
    throw error
  }
}

/** Compares a signature with its message. Nothing that the file may hold makes this fail. */
export function checkSigned(
  file: string,
  bytes: Uint8Array,
  message: Uint8Array,
  namespace: Namespace
): CheckedSignature {
  let key: PublicKey | undefined
  try {
    const signature = decodeSignature(bytes)
    key = signature.key
    if (signature.namespace !== namespace)
      throw new WireFault(
        `it was made for ${signature.namespace.slice(0, 60) || 'nothing'}, wanted ${namespace}`
      )
    const details = verifyMessage(signature, message, namespace)
    if (details === undefined) throw new WireFault('it is not a signature of these bytes')
    return { file, key, isTouched: details.isTouched }
  } catch (error) {
    if (!(error instanceof WireFault)) throw error
    return { file, ...(key !== undefined && { key }), fault: error.message, isTouched: false }
  }
}

export interface AddedSignature {
  /** The whole path. */
  file: string
  key: PublicKey
  /** False if this key had signed the record before. */
  isNew: boolean
}

/**
 * Adds a signature to the first store. Adding it twice is fine; another one is never replaced. If somebody has put
 * something else under the name of this key, a second name is taken, which nobody can know beforehand.
 * @throws StrataError SIGNATURE_INVALID if it is not a signature of the record
 */
export async function addSignature(
  { root }: Pick<Store, 'root'>,
  record: CID,
  message: Uint8Array,
  bytes: Uint8Array
): Promise<AddedSignature> {
  const checked = checkSigned('the new signature', bytes, message, NAMESPACE.module)
  const { key } = checked
  if (checked.fault !== undefined || key === undefined) throw notASignature(record, checked)
  const usual = `${folderOf(record)}/${formatCid(record)}.${key.digest}`
  for (const path of [usual, `${usual}.${digestOf(bytes).slice(0, 32)}`]) {
    const isNew = await publish(root, path, bytes)
    const isThere = isNew || readSignature(root, path, message)?.fault === undefined
    if (isThere) return { file: storeFolder(root).displayPath(path), key, isNew }
  }
  throw notASignature(record, checked)
}

const notASignature = (record: CID, { key, fault }: CheckedSignature): StrataError =>
  new StrataError('SIGNATURE_INVALID', {
    message: `the new signature of ${formatCid(record)} is not taken: ${fault ?? 'its place in the store is occupied'}`,
    facts: { ...(key && { key: key.fingerprint }) },
    hint: 'compose fsck'
  })

async function publish(root: string, path: StorePath, bytes: Uint8Array): Promise<boolean> {
  const file = TemporaryFile.create(root)
  try {
    await file.handle.writeFile(bytes)
    return await file.publish(path)
  } finally {
    await file.discard()
  }
}

/** A file below `refs/signatures`. */
export interface SignatureFile {
  path: StorePath
  /** The record that its name tells; undefined for a strange name, and for something that is not a file. */
  record?: CID
}

/** Every file below `refs/signatures`, also those that do not belong there. */
export function* signatureFiles(root: string): Generator<SignatureFile> {
  for (const start of foldersBelow(root, SIGNATURES))
    for (const { name, type } of entriesBelow(root, `${SIGNATURES}/${start}`)) {
      const path = `${SIGNATURES}/${start}/${name}`
      const record = type === constants.S_IFREG ? recordOf(start, name) : undefined
      yield { path, ...(record && { record }) }
    }
}

function recordOf(start: string, name: string): CID | undefined {
  const [, id] = NAME.exec(name) ?? []
  if (id === undefined) return undefined
  try {
    const record = parseCid(id, DAG_JSON, name)
    return sha256Of(record).startsWith(start) ? record : undefined
  } catch {
    return undefined
  }
}
