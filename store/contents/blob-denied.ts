import type { Store } from '../files/index.ts'
import { type Digest, isDenied, StrataError } from '../values/index.ts'

/** A blob is there for groups that the user is not in. `explainDenial` finds out of which modules it is. */
export class BlobDenied extends StrataError {
  readonly store: Store
  readonly digest: Digest

  constructor(store: Store, digest: Digest, denied: StrataError) {
    const { message, facts, hint } = denied
    super('ACCESS_DENIED', { message, facts, hint, cause: denied })
    this.store = store
    this.digest = digest
  }
}

/** A refusal of the file that holds a blob becomes one of the blob; other errors stay as they are. */
export const namingBlob = (store: Store, digest: Digest, error: unknown): unknown =>
  isDenied(error) && !(error instanceof BlobDenied) ? new BlobDenied(store, digest, error) : error
