import type { CID } from 'multiformats/cid'
import { type Signer, whoSigned } from '../../store/policy/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import type { ImageDescription } from '../inspect/index.ts'

/** Who signed a record, right or wrong, and what the policies know about the keys. */
export const signersOf = async (store: Repository, record: CID, bytes?: Uint8Array): Promise<Signer[]> =>
  whoSigned(await store.trust(), await store.signaturesOf(record, bytes))

/** Who signed the modules of an image, as far as the stores know. */
export const signersIn = async (
  store: Repository | undefined,
  description: ImageDescription | undefined
): Promise<Signer[][]> =>
  Promise.all(
    (description?.modules ?? []).map(({ id, bytes }) =>
      store === undefined ? [] : signersOf(store, id, bytes)
    )
  )
