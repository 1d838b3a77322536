/**
 * Decides who may read a file, from the modules that need it (spec/store-layout.md#access).
 *
 * Any publisher can write a record and a ref about content that they never had: a hash is enough, and manifests show it
 * to everybody. So a module opens a file only if its publishers could decide about the file anyway. Any other module
 * can only keep the file open for those readers who have it already, which tells nobody anything new.
 */
import type { CID } from 'multiformats/cid'
import { fstatAt } from '../../native/index.ts'
import {
  BLOB_ENCODINGS,
  blobPath,
  type FileAccess,
  intersectionOf,
  isWithin,
  showAccess,
  showUser,
  unionOf,
  withFileBelow
} from '../files/index.ts'
import { formatModuleName, type ModuleName, readRef, refPath } from '../module/index.ts'
import { formatCid, StrataError, sha256Of } from '../values/index.ts'

/** The access that a module asks for on a file, and its publishers. */
export interface AccessWish {
  module: string
  /** Undefined for the module that is being imported. */
  record?: CID
  access: FileAccess
  publishers: Publishers
}

/**
 * Owners of ref and record, empty if the store does not have both. `importer` is the user of this import, who has just
 * given the tarball's bytes. `past` is for a record that no name stands for any more.
 */
export type Publishers = readonly number[] | 'importer' | 'past'

export interface Verdict {
  access: FileAccess
  /** Modules that ask for wider access but could not decide about it. */
  ignored: readonly AccessWish[]
}

/**
 * @param found status of the file, whose owner may decide about it
 * @param kept readers whom other modules may keep
 */
export function decideAccess(
  wishes: readonly AccessWish[],
  { status: { uid } }: { status: { uid: number } },
  kept: FileAccess,
  storeOwner: number
): Verdict {
  let access: FileAccess = []
  const others: AccessWish[] = []
  for (const wish of wishes)
    if (mayDecide(wish.publishers, [0, storeOwner, uid])) access = unionOf(access, wish.access)
    else others.push(wish)
  for (const { access: asked } of others) access = unionOf(access, intersectionOf(kept, asked))
  const ignored = others.filter(wish => wish.publishers !== 'past' && !isWithin(wish.access, access))
  return { access, ignored }
}

/** The verdict for a file that repeats two others, such as an index: only for those who may read both. */
export const intersectVerdicts = (a: Verdict, b: Verdict): Verdict => ({
  access: intersectionOf(a.access, b.access),
  ignored: [...new Set([...a.ignored, ...b.ignored])]
})

function mayDecide(publishers: Publishers, trusted: readonly number[]): boolean {
  if (typeof publishers === 'string') return publishers === 'importer'
  return publishers.length > 0 && publishers.every(uid => trusted.includes(uid))
}

/**
 * Users who published a record under a name: the owners of its ref and of its blob. Other publishers can move a ref, so
 * the record must contain the same name, and only its owner can remove a blob.
 * @param said the name in the record
 */
export function publishersOfRecord(root: string, name: ModuleName, id: CID, said: ModuleName): number[] {
  const ref = withFileBelow(root, refPath(name), fd => fstatAt(fd).uid)
  const digest = sha256Of(id)
  const blobs = BLOB_ENCODINGS.map(encoding =>
    withFileBelow(root, blobPath(digest, encoding), fd => fstatAt(fd).uid)
  ).filter(uid => uid !== undefined)
  const isOwn = formatModuleName(name) === formatModuleName(said) && currentRecord(root, name)?.equals(id)
  return ref === undefined || blobs.length === 0 || !isOwn ? [] : [...new Set([ref, ...blobs])]
}

function currentRecord(root: string, name: ModuleName): CID | undefined {
  try {
    return readRef(root, name)
  } catch (error) {
    if (error instanceof StrataError) return undefined
    throw error
  }
}

/** `app/x-1 (record b…, of uid 3002) is for everyone`. */
export const showWish = ({ module, record, access, publishers }: AccessWish): string =>
  `${module} (record ${record && formatCid(record)}, of ${showPublishers(publishers)}) is for ${showAccess(access)}`

const showPublishers = (publishers: Publishers): string =>
  typeof publishers === 'string' || publishers.length === 0
    ? 'nobody known'
    : publishers.map(showUser).join(' and ')
