/** Signatures of a record that is about to be published, and the policies' word on it. */
import type { CID } from 'multiformats/cid'
import { readWholeBlob } from '../contents/index.ts'
import type { Store } from '../files/index.ts'
import { formatModuleName, type ModuleName } from '../module/index.ts'
import { assertTrusted } from '../policy/index.ts'
import { type AddedSignature, addSignature } from '../signatures/index.ts'
import { formatCid, StrataError, sha256Of } from '../values/index.ts'

/** Signs the bytes of a record. */
export type SignRecord = (record: Uint8Array) => Promise<Uint8Array>

/** Nothing if no signature was asked for. */
export async function signRecord(
  store: Store,
  id: CID,
  sign: SignRecord | undefined
): Promise<{ signature?: AddedSignature }> {
  if (sign === undefined) return {}
  const bytes = await readWholeBlob(store, sha256Of(id))
  return { signature: await addSignature(store, id, bytes, await sign(bytes)) }
}

/**
 * Asks the policies before a name stands for a record. The record is in the store already, so others can sign it by its
 * id if one signature is not enough.
 * @throws StrataError as assertTrusted
 */
export async function refuseUnsigned(
  store: Store,
  name: ModuleName,
  { id, layers }: { id: CID; layers: CID[] }
): Promise<void> {
  try {
    await assertTrusted(store, ['publish'], [{ name: formatModuleName(name), record: id, layers }])
  } catch (error) {
    if (!(error instanceof StrataError) || error.code !== 'SIGNATURE_MISSING') throw error
    throw new StrataError(error.code, {
      message: error.message,
      facts: error.facts,
      hint: `compose import --sign; if others have to sign as well: compose sign ${formatCid(id)} by each of them, then import again`,
      cause: error
    })
  }
}
