import type { Store } from '../files/index.ts'
import { type Digest, isDenied, StrataError } from '../values/index.ts'

/**
 * The error for a blob that is only for groups that the user is not in. `explainDenial` adds the modules that it is
 * part of.
 */
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

/** Turns the denial of a file into one of its blob; other errors are returned unchanged. */
export const nameBlobIn = (store: Store, digest: Digest, error: unknown): unknown =>
  isDenied(error) && !(error instanceof BlobDenied) ? new BlobDenied(store, digest, error) : error
