/**
 * The modules that a remote offers, as they are kept in the user's cache, so that lists and resolution wait for no
 * network (spec/registry.md#catalogue). The cache holds records as they are, and each is checked against its id when it is used.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { cachePath } from '../disk/index.ts'
import { decodeRecord, formatModuleName, type ModuleRecord } from '../module/index.ts'
import { isMap, manifestCid } from '../values/index.ts'
import { formatPrefix } from './module-place.ts'
import type { Remote } from './remotes.ts'

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
  return { readAtSeconds: kept.readAtSeconds, modules }
}

export function readKept(remote: Remote): { readAtSeconds: number; modules: Kept[] } | undefined {
  try {
    const document: unknown = JSON.parse(readFileSync(join(cachePath(FOLDER), fileName(remote)), 'utf8'))
    if (!isMap(document) || document.version !== VERSION || !Array.isArray(document.modules)) return undefined
    return { readAtSeconds: Number(document.readAtSeconds), modules: document.modules.filter(isKept) }
  } catch {
    return undefined
  }
}

const isKept = (value: unknown): value is Kept =>
  isMap(value) &&
  ['manifest', 'tag', 'repository', 'record'].every(key => typeof value[key] === 'string') &&
  typeof value.dataBytes === 'number'

/** The modules of all remotes, as far as they were ever asked. The first remote that has a name and version counts. */
export function offeredRecords(remotes: readonly Remote[]): OfferedRecord[] {
  const offers = new Map<string, OfferedRecord>()
  for (const remote of remotes)
    for (const offer of readCatalogue(remote)?.modules ?? []) {
      const name = formatModuleName(offer.record)
      if (!offers.has(name)) offers.set(name, offer)
    }
  return [...offers.values()]
}
