import type { CID } from 'multiformats/cid'
import type { SkippedPath } from '../../store/import/index.ts'
import type { Lock } from '../stack/index.ts'

/** Changes that were captured before, in the same tree, and whose layer the store still has. */
export interface StoredChanges {
  /** What they were made by, for messages. */
  name: string
  /** Of the tree in which they were made. */
  lock: Lock
  layer: CID
  /** Paths that the layer was made without. */
  skipped: SkippedPath[]
}
