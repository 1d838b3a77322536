/**
 * Signatures come with a module, before the policies are asked. They open nothing, and `compose gc` removes those of a
 * record that did not come. Anybody can make right ones with keys of their own, so not all of them are kept.
 */
import type { CID } from 'multiformats/cid'
import type { Store } from '../files/index.ts'
import { listedKeys, type Purpose, type Trust } from '../policy/index.ts'
import { addSignature, checkSigned, NAMESPACE, readSignatures } from '../signatures/index.ts'
import { count, StrataError } from '../values/index.ts'

/** Limit on the signatures of one record, if no list says which keys count. */
const MOST_KEPT = 32

export interface SentSignatures {
  id: CID
  /** Of the record. */
  bytes: Uint8Array
  /** Right or wrong. What is not a signature of the record is passed over. */
  sent: readonly Uint8Array[]
}

/** The policies, and what is done with the record. */
export interface AskedPolicies {
  trust: Trust
  purposes: readonly Purpose[]
}

/**
 * Keeps the signatures by the keys that lists of signers name. Where no policy has such a list, the first ones are kept.
 * @returns notes for the user
 */
export async function keepSignatures(
  store: Store,
  { id, bytes, sent }: SentSignatures,
  { trust, purposes }: AskedPolicies
): Promise<string[]> {
  const sound = sent.flatMap(signature => {
    const { key, fault } = checkSigned('', signature, bytes, NAMESPACE.module)
    return key === undefined || fault !== undefined ? [] : [{ signature, key: key.digest }]
  })
  if (sound.length === 0) return []
  const listed = listedKeys(trust, purposes)
  const first = { searched: store.searched.filter(({ root }) => root === store.root) }
  const known = readSignatures(first, id, bytes)
  const keys = new Set(known.flatMap(({ key, fault }) => (key && fault === undefined ? key.digest : [])))
  let [files, left] = [known.length, 0]
  for (const { signature, key } of sound) {
    if (keys.has(key)) continue
    keys.add(key)
    if (listed === undefined ? files >= MOST_KEPT : !listed.has(key)) left++
    else {
      files++
      await addOne(store, { id, bytes, signature })
    }
  }
  return left === 0 ? [] : [leftOut(left, listed !== undefined)]
}

/** Passes over a signature whose place in the store is occupied. */
async function addOne(
  store: Store,
  { id, bytes, signature }: { id: CID; bytes: Uint8Array; signature: Uint8Array }
): Promise<void> {
  await addSignature(store, id, bytes, signature).catch(error => {
    if (!(error instanceof StrataError) || error.code !== 'SIGNATURE_INVALID') throw error
  })
}

const leftOut = (left: number, hasList: boolean): string =>
  hasList
    ? `${count(left, 'signature')} by keys that no list of signers names: not kept`
    : `${count(left, 'signature')} beyond the ${MOST_KEPT} that are kept of one record: not kept`
