/** `compose sign`: signatures of published modules and of locks (spec/signatures.md#signing). */
import { readFile } from 'node:fs/promises'
import type { CID } from 'multiformats/cid'
import { formatModuleName } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { type CheckedSignature, checkSigned, NAMESPACE } from '../../store/signatures/index.ts'
import { formatCid, StrataError, sha256Of, systemWords } from '../../store/values/index.ts'
import { isImage } from '../inspect/index.ts'
import { makeSignature } from '../signing/index.ts'
import { parseLock, replaceFile } from '../stack/index.ts'

export interface SignedModule {
  module: string
  record: string
  /** Fingerprint of the key. */
  key: string
  file: string
  /** False if this key had signed the record before. */
  isNew: boolean
}

/**
 * Signs the record of a module. The signature goes into the store that is written, whichever store has the module.
 * @param word the name of a module, or the id of a record
 * @param key as for `makeSignature`
 */
export async function signModule(store: Repository, word: string, key?: string): Promise<SignedModule> {
  await store.assertWritable('a signature is kept in a store')
  const { name, record } = await store.findRecord(word)
  await store.refuseWithdrawn([{ name: formatModuleName(name), record }])
  return { module: formatModuleName(name), ...(await signRecord(store, record, key)) }
}

export async function signRecord(
  store: Repository,
  record: CID,
  key?: string
): Promise<Omit<SignedModule, 'module'>> {
  const message = await store.readWholeBlob(sha256Of(record))
  const signature = await makeSignature({ message, namespace: NAMESPACE.module, key })
  const added = await store.addSignature(record, signature)
  return { record: formatCid(record), key: added.key.fingerprint, file: added.file, isNew: added.isNew }
}

export interface SignedLock {
  lock: string
  key: string
  file: string
}

/** The file beside a lock that holds its signature, named as ssh-keygen names it. */
export const signatureBeside = (lock: string): string => `${lock}.sig`

/**
 * Signs a lock as it is, byte for byte, into the file beside it.
 * @throws StrataError OUTPUT_EXISTS if somebody else has signed these bytes: a file has room for one signature
 */
export async function signFile(lock: string, key?: string): Promise<SignedLock> {
  refuseImage(lock)
  const message = await readBytes(lock)
  parseLock(message.toString('utf8'), lock)
  const bytes = await makeSignature({ message, namespace: NAMESPACE.lock, key })
  const file = signatureBeside(lock)
  const made = checkSigned(file, bytes, message, NAMESPACE.lock)
  if (made.key === undefined || made.fault !== undefined) throw badSignature(file, made)
  const before = await signatureOfLock(lock, message)
  if (before?.fault === undefined && before?.key !== undefined && before.key.digest !== made.key.digest)
    throw new StrataError('OUTPUT_EXISTS', {
      message: `${file} is a signature of this lock by another key`,
      facts: { file, key: before.key.fingerprint },
      hint: `mv ${file} elsewhere, and keep both`
    })
  await replaceFile(file, bytes.toString('latin1'))
  return { lock, key: made.key.fingerprint, file }
}

/** An image is signed by its lock; Apptainer's signatures are another matter. */
function refuseImage(file: string): void {
  if (!isImage(file)) return
  throw new StrataError('USAGE', {
    message: `${file} is an image: its lock is signed, which names its bytes`,
    facts: { image: file },
    hint: `compose lock --image ${file} TARGET --sign; for Apptainer, compose sign FILE.sif --pem KEY`
  })
}

/** Undefined if no file of a signature lies beside the lock. */
export async function signatureOfLock(lock: string, message: Buffer): Promise<CheckedSignature | undefined> {
  const file = signatureBeside(lock)
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw cannotRead(file, error)
  })
  return bytes && checkSigned(file, bytes, message, NAMESPACE.lock)
}

const readBytes = (file: string): Promise<Buffer> =>
  readFile(file).catch(error => {
    throw cannotRead(file, error)
  })

const cannotRead = (file: string, cause: Error): StrataError =>
  new StrataError('IO', { message: `${file} cannot be read: ${systemWords(cause)}`, facts: { file }, cause })

const badSignature = (file: string, { fault = 'it has no key' }: CheckedSignature): StrataError =>
  new StrataError('SIGNATURE_INVALID', { message: `${file} was not written: ${fault}`, facts: { file } })
