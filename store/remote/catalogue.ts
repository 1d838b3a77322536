/**
 * The modules that a remote offers, as they are kept in the user's cache, so that lists and resolution wait for no
 * network (spec/registry.md#catalogue). The cache holds records as they are, and each is checked against its id when it is used.
 */
import { createHash } from 'node:crypto'
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { cachePath, ownCacheFolder } from '../disk/index.ts'
import { decodeRecord, formatModuleName, type ModuleRecord } from '../module/index.ts'
import { isMap, manifestCid } from '../values/index.ts'
import { formatPrefix, repositoryOf, tagOfVersion } from './module-place.ts'
import type { Remote } from './remotes.ts'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

export interface OfferedRecord {
  id: CID
  record: ModuleRecord
  /** Bytes of its data files, as they are packed. */
  dataBytes: number
  remote: Remote
}

export interface RemoteCatalogue {
  /** Seconds since 1970. */
  readAtSeconds: number
  modules: OfferedRecord[]
  /** Versions that the remote lists and did not send, as `REPOSITORY:TAG`. */
  unread: readonly string[]
}

/** An offered module in the cache. */
export interface Kept {
  /** Digest of the manifest. */
  manifest: string
  tag: string
  repository: string
  record: string
  dataBytes: number
}

export const VERSION = 1
export const FOLDER = 'remotes'

export const fileName = ({ prefix }: Remote): string =>
  `${createHash('sha256').update(formatPrefix(prefix)).digest('hex')}.json`

/** Undefined if the remote was never asked; a damaged or foreign file counts as none. */
export function readCatalogue(remote: Remote): RemoteCatalogue | undefined {
  const kept = readKept(remote)
  if (kept === undefined) return undefined
  const modules = kept.modules.flatMap(({ record: text, dataBytes }) => {
    const bytes = Buffer.from(text)
    try {
      return [{ id: manifestCid(bytes), record: decodeRecord(bytes, 'offered record'), dataBytes, remote }]
    } catch {
      return []
    }
  })
  return { ...kept, modules }
}

export function readKept(
  remote: Remote
): (Omit<RemoteCatalogue, 'modules'> & { modules: Kept[] }) | undefined {
  try {
    const document: unknown = JSON.parse(readOwn(fileName(remote)))
    if (!isMap(document) || document.version !== VERSION || !Array.isArray(document.modules)) return undefined
    const { readAtSeconds, modules, unread } = document
    return {
      readAtSeconds: Number(readAtSeconds),
      modules: modules.filter(isKept),
      unread: Array.isArray(unread) ? unread.filter(one => typeof one === 'string') : []
    }
  } catch {
    return undefined
  }
}

/** @throws Error of any kind for what somebody else may have put there, as where HOME is another user's */
function readOwn(name: string): string {
  if (!existsSync(cachePath(FOLDER))) throw new Error('no catalogue was ever written')
  const fd = openSync(join(ownCacheFolder(FOLDER), name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    if (fstatSync(fd).isFile()) return readFileSync(fd, 'utf8')
    throw new Error('not a file')
  } finally {
    closeSync(fd)
  }
}

const isKept = (value: unknown): value is Kept =>
  isMap(value) &&
  ['manifest', 'tag', 'repository', 'record'].every(key => typeof value[key] === 'string') &&
  typeof value.dataBytes === 'number'

/**
 * The modules of all remotes, as far as they were ever asked. The first remote that has a name and version counts, also if
 * it lists it and did not send it: then there is no offer.
 */
export function offeredRecords(remotes: readonly Remote[]): OfferedRecord[] {
  const offers = new Map<string, OfferedRecord>()
  const unread = new Set<string>()
  for (const [i, remote] of remotes.entries()) {
    const catalogue = readCatalogue(remote)
    for (const offer of catalogue?.modules ?? []) {
      const name = formatModuleName(offer.record)
      const isLost =
        unread.size > 0 && remotes.slice(0, i).some(before => unread.has(keyAt(before, offer.record)))
      if (!offers.has(name) && !isLost) offers.set(name, offer)
    }
    for (const one of catalogue?.unread ?? []) unread.add(`${remote.name} ${one}`)
  }
  return [...offers.values()]
}

/** Where a remote has a module, or would have it. */
const keyAt = ({ name, prefix }: Remote, record: ModuleRecord): string =>
  `${name} ${repositoryOf(prefix, record).repository}:${tagOfVersion(record.version)}`
