/**
 * What resolving needs of a record. `compose add` is awaited by somebody at a prompt, and the strict decoder of
 * manifests with the packages that it stands on takes longer to load than Node itself. So a record that lies there
 * plainly, as those below 4 KiB do, is read as the JSON that it is: its bytes are checked against their id, and every
 * field that is used is checked. Anything else about it, and whatever looks odd, is left to the decoder.
 */
import { closeSync, constants, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { DAG_JSON, digestOf, parseCid, sha256Of } from '../../store/digest.ts'
import type { ModuleRecord } from '../../store/module/record.ts'
import { parseRequirement } from '../../store/module/requirement.ts'
import type { Store } from '../../store/store.ts'
import { blobPath } from '../../store/store-layout.ts'

/** The part of a record that decides what goes with what. */
export type RecordFacts = Pick<
  ModuleRecord,
  'kind' | 'layers' | 'requires' | 'conflicts' | 'family' | 'hidden' | 'deprecated' | 'accessGroups'
>

/** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID */
export async function readFacts(store: Store, id: CID): Promise<RecordFacts> {
  const plain = readPlainFacts(store, id)
  if (plain !== undefined) return plain
  const { readRecord } = await import('../../store/manifests.ts')
  return readRecord(store, id)
}

function readPlainFacts(store: Store, id: CID): RecordFacts | undefined {
  const digest = sha256Of(id)
  for (const { root } of store.searched) {
    const bytes = readIfPlain(join(root, blobPath(digest, '')))
    if (bytes === undefined) continue
    return digestOf(bytes) === digest ? parseFacts(bytes) : undefined
  }
  return undefined
}

function readIfPlain(path: string): Buffer | undefined {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      return readFileSync(file)
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined // not there, not to be read, no file: readRecord says which
  }
}

/** Fields of a record as JSON has them (spec/module.md#record): links are `{"/": id}`. */
interface RecordJson {
  strata: unknown
  format: unknown
  kind: ModuleRecord['kind']
  layers: { '/': string }[]
  requires?: string[]
  conflicts?: string[]
  family?: string
  hidden?: true
  deprecated?: { date: string; text: string }
  accessGroups?: { name?: string; gid?: number }[]
}

const KINDS: ModuleRecord['kind'][] = ['base', 'library', 'application']
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Undefined for what is not as expected. */
export function parseFacts(bytes: Uint8Array): RecordFacts | undefined {
  try {
    const json: RecordJson = JSON.parse(utf8.decode(bytes))
    return isExpected(json) ? factsOf(json) : undefined
  } catch {
    return undefined
  }
}

const isExpected = ({ family, hidden, deprecated, accessGroups = [], ...json }: RecordJson): boolean =>
  json.strata === 'module' &&
  json.format === 1 &&
  KINDS.includes(json.kind) &&
  json.layers.length > 0 &&
  json.layers.every(link => Object.keys(link).length === 1) &&
  (family === undefined || /^[A-Za-z0-9._+-]{1,64}$/.test(family)) &&
  (hidden === undefined || hidden === true) &&
  // Text that is printed: the decoder knows what may be in it.
  (deprecated === undefined ||
    (/^[0-9-]{10}$/.test(deprecated.date) && /^[\x20-\x7e]{1,1024}$/.test(deprecated.text))) &&
  accessGroups.every(
    ({ name, gid, ...rest }) =>
      Object.keys(rest).length === 0 &&
      (name === undefined ? gid !== undefined : /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}$/.test(name)) &&
      (gid === undefined || (Number.isInteger(gid) && gid >= 0 && gid < 2 ** 32 - 1))
  )

const factsOf = (json: RecordJson): RecordFacts => ({
  kind: json.kind,
  layers: json.layers.map(link => parseCid(link['/'], DAG_JSON, 'layers')),
  requires: (json.requires ?? []).map(text => parseRequirement(text, 'requires')),
  conflicts: (json.conflicts ?? []).map(text => parseRequirement(text, 'conflicts')),
  hidden: json.hidden === true,
  accessGroups: json.accessGroups ?? [],
  ...(json.family !== undefined && { family: json.family }),
  ...(json.deprecated !== undefined && { deprecated: json.deprecated })
})
