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
  const before = await readIfThere(file)
  if (before !== undefined && before !== '' && before !== text && !replace)
    throw new StrataError('OUTPUT_EXISTS', {
      message: `${file} is another lock, and stays; the modules of ${name} are in the store`,
      facts: { file },
      hint: '--lock FILE, or --replace'
    })
  if (before !== text) await replaceFile(file, text)
  await keepSignature(file, lock!, lockSignatures)
}

/** There is room for one signature: the one that is there stays if it is right, else the first that is. */
async function keepSignature(file: string, lock: Buffer, sent: readonly Buffer[]): Promise<void> {
  const isSound = ({ key, fault }: CheckedSignature) => key !== undefined && fault === undefined
  const before = await signatureOfLock(file, lock)
  if (before !== undefined && isSound(before)) return
  const beside = signatureBeside(file)
  const found = sent.find(bytes => isSound(checkSigned(beside, bytes, lock, NAMESPACE.lock)))
  if (found !== undefined) await replaceFile(beside, found.toString('latin1'))
}
