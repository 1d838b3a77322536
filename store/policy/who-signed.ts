/** Who signed a record, for commands that only tell it. */
import { type CheckedSignature, NAMESPACE, type Namespace, refusalOf } from '../signatures/index.ts'
import type { Trust } from './trust.ts'

/** One signature, and what the lists of all policies say about its key. */
export interface Signer {
  /** `SHA256:…`; undefined if the file is not a signature. */
  key?: string
  /** Type of the key. */
  type?: string
  /** As the lists of signers name them; empty if no list has the key. */
  principals: string[]
  file: string
  /** Why it does not count anywhere; undefined if nothing speaks against it. */
  fault?: string
}

/** @param namespace what was signed */
export const whoSigned = (
  trust: Trust,
  signatures: CheckedSignature[],
  namespace: Namespace = NAMESPACE.module
): Signer[] => signatures.map(signature => describe(trust, signature, namespace))

function describe(
  { policies }: Trust,
  { key, fault, file, isTouched }: CheckedSignature,
  namespace: Namespace
): Signer {
  if (key === undefined) return { principals: [], file, fault }
  const revoked = policies.flatMap(policy => policy.isRevoked(key) ?? [])
  const lines = policies.flatMap(policy =>
    policy.signerList().lines.filter(line => line.key.digest === key.digest)
  )
  const valid = lines.filter(line => refusalOf(line, namespace, Date.now()) === undefined)
  const isLate = lines.length > 0 && valid.length === 0
  const against =
    fault ??
    (revoked.length > 0 ? `the key is revoked by ${revoked[0]}` : undefined) ??
    (isLate ? 'the key is listed, but not for this, or not now' : undefined) ??
    (isTouched ? undefined : 'nobody touched the FIDO token')
  return {
    key: key.fingerprint,
    type: key.type,
    principals: [...new Set((valid.length > 0 ? valid : lines).map(({ principals }) => principals))],
    file,
    ...(against !== undefined && { fault: against })
  }
}
