/** Asks the policies before modules are used: one place for publish, pull, build, run and extract. */
import type { CID } from 'multiformats/cid'
import { readWholeBlob } from '../contents/index.ts'
import type { Store, StoreRoot } from '../files/index.ts'
import { readSignatures } from '../signatures/index.ts'
import { sha256Of } from '../values/index.ts'
import { judge, type NamedRecord, type Verdict, withdrawalOf } from './judge.ts'
import type { Purpose } from './policy.ts'
import { isAbout, listedKeys, readTrust, type Trust } from './trust.ts'

/** A module that is to be used, or layers that are in none. */
export interface Part {
  /** The full name; for layers without a record, some words about them. */
  name: string
  record?: CID
  /** Of the record, if they are known. */
  bytes?: Uint8Array
  layers: readonly CID[]
}

/** What every policy says about each part, whatever it is used for. */
export interface Judged {
  part: Part
  verdicts: Verdict[]
}

/**
 * @param store whose signatures count; without one, there are none
 * @throws StrataError POLICY_INVALID, and as readWholeBlob
 */
export async function judgeParts(store: Store | undefined, trust: Trust, parts: Part[]): Promise<Judged[]> {
  const judged: Judged[] = []
  const listed = once(() => listedKeys(trust))
  for (const part of parts) {
    const { record } = part
    const bytes = record && trust.policies.length > 0 ? await bytesOf(store, part) : undefined
    const signatures = once(() =>
      store === undefined || record === undefined ? [] : readSignatures(store, record, bytes!, listed())
    )
    judged.push({ part, verdicts: trust.policies.map(policy => judge(policy, { ...part, signatures })) })
  }
  return judged
}

const bytesOf = async (store: Store | undefined, { record, bytes }: Part): Promise<Uint8Array | undefined> =>
  bytes ?? (store && (await readWholeBlob(store, sha256Of(record!))))

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/**
 * @param purposes what is done with the parts; a policy that is about none of it is not asked
 * @param trust if the caller has read it
 * @returns true if any policy was asked
 * @throws StrataError with the first reason why a part must not be used: SIGNATURE_MISSING, SIGNATURE_INVALID,
 * SIGNER_NOT_ALLOWED, KEY_REVOKED, KEY_EXPIRED, RECORD_WITHDRAWN; POLICY_INVALID
 */
export async function assertTrusted(
  store: Store | undefined,
  purposes: readonly Purpose[],
  parts: Part[],
  trust?: Trust
): Promise<boolean> {
  const { policies } = trust ?? (await readTrust(store?.searched ?? []))
  const asked = { policies: policies.filter(policy => isAbout(policy, purposes)) }
  for (const { verdicts } of await judgeParts(store, asked, parts))
    for (const { error } of verdicts) if (error !== undefined) throw error
  return asked.policies.length > 0
}

/**
 * The gate for what is no use of a module, but leads to one: pushes, exports, defaults, signatures, stacks. A policy
 * withdraws a record for all of them, whatever its `when` says.
 * @param searched as of `readTrust`
 * @throws StrataError RECORD_WITHDRAWN, POLICY_INVALID
 */
export async function refuseWithdrawn(
  searched: readonly StoreRoot[],
  records: readonly NamedRecord[]
): Promise<void> {
  const { policies } = await readTrust([...searched])
  for (const named of records)
    for (const policy of policies) {
      const error = withdrawalOf(policy, named)
      if (error !== undefined) throw error
    }
}
