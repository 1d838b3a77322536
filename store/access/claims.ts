/**
 * For whom a file should be, by the modules that need it, and which of them may open it (spec/store-layout.md#access).
 *
 * A record and a ref can be written by whoever publishes, about content that he never had: all that they take is a hash,
 * and manifests tell it to everybody. So a module opens a file only where whoever published it had a say over the file
 * anyway. Any other module keeps what is open to its readers from being closed to them, which tells nobody anything new.
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

export interface Claim {
  module: string
  /** Not that of the module which is just imported. */
  record?: CID
  access: FileAccess
  publishers: Publishers
}

/**
 * Owners of ref and record; nobody where the store does not have both; `importer`: the one at work, who has just given
 * the tarball's bytes; `past`: of a record that no name stands for, of which a note says nothing.
 */
export type Publishers = readonly number[] | 'importer' | 'past'

export interface Verdict {
  access: FileAccess
  /** Modules that are for more, and had no say in that. */
  ignored: readonly Claim[]
}

/**
 * @param found as it is; the owner of the file has a say in it
 * @param kept whom a module without a say may keep in
 */
export function verdictOf(
  claims: readonly Claim[],
  { status: { uid } }: { status: { uid: number } },
  kept: FileAccess,
  storeOwner: number
): Verdict {
  let access: FileAccess = []
  const others: Claim[] = []
  for (const claim of claims)
    if (counts(claim.publishers, [0, storeOwner, uid])) access = unionOf(access, claim.access)
    else others.push(claim)
  for (const { access: asked } of others) access = unionOf(access, intersectionOf(kept, asked))
  const ignored = others.filter(claim => claim.publishers !== 'past' && !isWithin(claim.access, access))
  return { access, ignored }
}

/** Of a file that says what two others say: for whom both are. */
export const bothOf = (a: Verdict, b: Verdict): Verdict => ({
  access: intersectionOf(a.access, b.access),
  ignored: [...new Set([...a.ignored, ...b.ignored])]
})

function counts(publishers: Publishers, trusted: readonly number[]): boolean {
  if (typeof publishers === 'string') return publishers === 'importer'
  return publishers.length > 0 && publishers.every(uid => trusted.includes(uid))
}

/**
 * Who published a record under a name, by the owners of its ref and of its blob. A ref can be moved by others who
 * publish, so the record has to bear the name itself, and a blob can only be removed by its owner.
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
export const showClaim = ({ module, record, access, publishers }: Claim): string =>
  `${module} (record ${record && formatCid(record)}, of ${showPublishers(publishers)}) is for ${showAccess(access)}`

const showPublishers = (publishers: Publishers): string =>
  typeof publishers === 'string' || publishers.length === 0
    ? 'nobody known'
    : publishers.map(showUser).join(' and ')
