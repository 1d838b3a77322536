/** The part of `compose verify` about signatures: who signed what, and whether the policies accept it. */
import type { CID } from 'multiformats/cid'
import { judgeParts, readTrust, type Signer, whoSigned } from '../../store/policy/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { NAMESPACE } from '../../store/signatures/index.ts'
import { count, formatCid, StrataError, sha256Of } from '../../store/values/index.ts'
import { signatureBeside, signatureOfLock } from './sign-target.ts'
import type { VerifyReport } from './verify-report.ts'

interface Recorded {
  name: string
  record: CID
  bytes?: Uint8Array
}

/**
 * Every policy has to accept every module, whatever it is asked about otherwise: a check that succeeds without the
 * signatures that the site asks for would be believed.
 * @throws StrataError as assertTrusted
 */
export async function addSigners(
  store: Repository | undefined,
  modules: Recorded[],
  report: VerifyReport
): Promise<void> {
  const trust = await readTrust(store?.searched ?? [])
  for (const { name, record, bytes } of modules) {
    const isKnown = bytes !== undefined || store?.findBlob(sha256Of(record)) !== undefined
    if (store !== undefined && !isKnown) report.unchecked.push(`who signed ${name}: no store has its record`)
    const signatures = isKnown ? ((await store?.signaturesOf(record, bytes)) ?? []) : []
    report.signatures.push({ name, record: formatCid(record), signers: whoSigned(trust, signatures) })
  }
  const parts = modules.map(module => ({ ...module, layers: [] }))
  for (const { verdicts } of await judgeParts(store, trust, parts))
    for (const { error } of verdicts) if (error !== undefined) throw error
  if (trust.policies.length > 0)
    report.checked.push(`its modules are accepted by ${count(trust.policies.length, 'policy', 'policies')}`)
  if (store === undefined && modules.length > 0)
    report.unchecked.push('who signed its modules: there is no store with signatures')
}

/**
 * @returns true if a key that a policy lists has signed it
 * @throws StrataError SIGNATURE_INVALID if the file beside the lock is not a signature of it
 */
export async function addLockSigner(
  store: Repository | undefined,
  lock: string,
  message: Buffer,
  report: VerifyReport
): Promise<boolean> {
  const signer = await signerOfLock(store, lock, message)
  if (signer === undefined) {
    report.unchecked.push(`who released ${lock}: there is no ${signatureBeside(lock)}`)
    return false
  }
  report.signatures.push({ name: lock, signers: [signer] })
  return signer.principals.length > 0
}

/**
 * Undefined if no signature lies beside the lock. Without principals, no policy lists the key.
 * @param store whose policy counts beside those of the host and the user
 * @throws StrataError SIGNATURE_INVALID if the file beside the lock is not a signature of it, SIGNER_NOT_ALLOWED
 */
export async function signerOfLock(
  store: Repository | undefined,
  lock: string,
  message: Buffer
): Promise<Signer | undefined> {
  const signature = await signatureOfLock(lock, message)
  if (signature === undefined) return undefined
  if (signature.fault !== undefined)
    throw new StrataError('SIGNATURE_INVALID', {
      message: `${signature.file} is not a signature of ${lock}: ${signature.fault}`,
      facts: { file: signature.file, ...(signature.key && { key: signature.key.fingerprint }) },
      hint: `compose sign ${lock}, by somebody who has looked at it`
    })
  const trust = await readTrust(store?.searched ?? [])
  const [signer] = whoSigned(trust, [signature], NAMESPACE.lock)
  if (signer.fault !== undefined)
    throw new StrataError('SIGNER_NOT_ALLOWED', {
      message: `the signature of ${lock} does not count: ${signer.fault}`,
      facts: { file: signature.file, key: signer.key! },
      hint: `compose sign ${lock}, with another key`
    })
  return signer
}
