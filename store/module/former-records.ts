/** Former records of a name, newest first (spec/module.md#refs). */
import type { CID } from 'multiformats/cid'
import { type StorePath, storeFolder } from '../files/index.ts'
import { DAG_JSON, formatCid, parseCid, StrataError } from '../values/index.ts'
import { listFolder } from './list-folder.ts'
import type { ModuleName } from './name.ts'
import { historyFolder } from './refs.ts'
import { readShortFile } from './short-file.ts'

export interface FormerRecord {
  record: CID
  /** Time at which it became current or, later, was replaced or unpublished; milliseconds since 1970. */
  noted: number
  /** The reason for unpublishing, if one was given. */
  reason?: string
}

/** Limit on notes: a reason has 1,024 characters at most (store/import/unpublish-module.ts). */
const LONGEST_NOTE_BYTES = 4100

/**
 * @param root of the store
 * @returns former records and the current one; files that are not notes are left out
 * @throws StrataError IO, STORE_FOLDER
 */
export function recordsOf(root: string, name: ModuleName): FormerRecord[] {
  const folder = historyFolder(name)
  return listFolder(root, folder, 'file', [])
    .flatMap(file => {
      const found = noteAt(root, folder, file)
      return found === undefined ? [] : [found]
    })
    .sort((a, b) => b.noted - a.noted || (formatCid(a.record) < formatCid(b.record) ? -1 : 1))
}

function noteAt(root: string, folder: StorePath, file: string): FormerRecord | undefined {
  try {
    const path = `${folder}/${file}`
    const record = parseCid(file, DAG_JSON, path)
    const status = storeFolder(root).status(path)
    if (status === undefined) return undefined // removed by compose gc
    const line = readShortFile(root, path, LONGEST_NOTE_BYTES) ?? ''
    const reason = Buffer.from(line, 'latin1').toString('utf8').trim()
    const noted = status.mtimeSeconds * 1000 + status.mtimeNanoseconds / 1e6
    return { record, noted, ...(reason !== '' && { reason }) }
  } catch (error) {
    if (error instanceof StrataError) return undefined
    throw error
  }
}
