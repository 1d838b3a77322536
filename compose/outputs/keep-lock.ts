/** `compose pull` of a lock: its text becomes a file when all that it names has come, and its signature one beside it. */
import type { Pulled } from '../../store/remote/index.ts'
import { type CheckedSignature, checkSigned, NAMESPACE } from '../../store/signatures/index.ts'
import { formatCid, StrataError } from '../../store/values/index.ts'
import { parseLock, readIfThere, replaceFile } from '../stack/index.ts'
import { signatureBeside, signatureOfLock } from './sign-target.ts'

export interface KeepLockOptions {
  /** The reference, for messages. */
  name: string
  file: string
  /** Replace a file with another lock. */
  replace: boolean
}

/** @throws StrataError LOCK_INVALID, REGISTRY_INVALID for a lock whose modules did not come, OUTPUT_EXISTS */
export async function keepLock(
  { lock, modules, lockSignatures = [] }: Pulled,
  { name, file, replace }: KeepLockOptions
): Promise<void> {
  const text = lock!.toString('utf8')
  const came = new Set(modules.map(({ record }) => formatCid(record)))
  for (const { record, name: module } of parseLock(text, name).modules)
    if (record === undefined || !came.has(formatCid(record)))
      throw new StrataError('REGISTRY_INVALID', {
        message: `${name}: its lock names ${module ?? 'layers'}, which did not come with it`,
        facts: { reference: name, modules: [...came] }
      })
  const before = readIfThere(file)
  if (before !== undefined && before !== '' && before !== text && !replace)
    throw new StrataError('OUTPUT_EXISTS', {
      message: `${file} is another lock, and stays; the modules of ${name} are in the store`,
      facts: { file },
      hint: '--lock FILE, or --replace'
    })
  const signature = await signatureToKeep(file, lock!, { sent: lockSignatures, replace })
  if (before !== text) await replaceFile(file, text)
  if (signature !== undefined) await replaceFile(signatureBeside(file), signature.toString('latin1'))
}

/**
 * There is room for one signature: the one that is there stays if it is right, else the first that is takes its place.
 * @throws StrataError OUTPUT_EXISTS if the file of that name is something else
 */
async function signatureToKeep(
  file: string,
  lock: Buffer,
  { sent, replace }: { sent: readonly Buffer[]; replace: boolean }
): Promise<Buffer | undefined> {
  const isSound = ({ key, fault }: CheckedSignature) => key !== undefined && fault === undefined
  const beside = signatureBeside(file)
  const found = sent.find(bytes => isSound(checkSigned(beside, bytes, lock, NAMESPACE.lock)))
  if (found === undefined) return undefined
  const before = await signatureOfLock(file, lock)
  if (before === undefined) return found
  if (isSound(before)) return undefined
  if (before.key !== undefined || replace) return found
  throw new StrataError('OUTPUT_EXISTS', {
    message: `${beside} is not a signature, and the signature of the lock would take its place; the modules are in the store`,
    facts: { file: beside },
    hint: '--lock FILE, or --replace'
  })
}
