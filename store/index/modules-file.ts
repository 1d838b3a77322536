/**
 * `index/modules.json`: every module of one store with its summary, and stamps of its folders in refs/ at the time of
 * reading (spec/index.md#modules). It is a plain file, because any number of readers can read it at once and without
 * write permission, which LevelDB does not allow. It is one file, so that it is replaced as a whole.
 *
 * It is believed only if its hash is right, every part has its type, and nothing in it could redraw a terminal;
 * otherwise it counts as missing. Any publisher could have written it, and is trusted with its content as with refs.
 */
import { createHash } from 'node:crypto'
import { MODULES_FILE, readPlainFile, storeFolder } from '../files/index.ts'
import type { ModuleKind } from '../module/index.ts'
import type { StrataError } from '../values/index.ts'
import type { RecordSummary } from './module-summary.ts'

/**
 * Inode number and time of last change (milliseconds with fractions) of a folder. Null if that time was so near to the
 * reading that a later change could get the same time.
 */
export type Stamp = [inode: number, changedMs: number] | null

export interface IndexedModule extends Omit<RecordSummary, 'hidden' | 'labels'> {
  version: string
  /** Id of the record. */
  record: string
  hidden?: true
  labels?: Record<string, string>
}

export interface IndexedName {
  name: string
  stamp: Stamp
  modules: IndexedModule[]
}

export interface IndexedCategory {
  category: string
  stamp: Stamp
  names: IndexedName[]
}

export interface IndexedModules {
  /** Stamp of refs/modules itself. */
  stamp: Stamp
  categories: IndexedCategory[]
  /** Layers of each record, bottom to top. They are parsed on demand, because a list of modules does not need them. */
  layers(): ReadonlyMap<string, string[]>
}

/** The modules of one store, and entries of refs/ that cannot be read. */
export interface ModuleList {
  modules: IndexedModules
  faults: StrataError[]
}

const FORMAT = 1
/** 100,000 modules take some 40 MB. */
const LARGEST_BYTES = 1 << 28
// Not MODULE_KINDS: its file loads the codecs of manifests, which takes longer than reading this file.
const KINDS: Record<ModuleKind, true> = { base: true, library: true, application: true }

/** Text of the id of a manifest (CIDv1, dag-json, sha2-256): 5 bytes that are always the same, and 32. */
export const MANIFEST_ID = /^baguqeera[a-z2-7]{51}[aq]$/

/** Line 3: ids of all layers and, for each module of line 2 in order, the places of its layers among them. */
interface LayersLine {
  ids: string[]
  of: number[][]
}

/** Three lines of JSON: header with the hash of the rest, modules, layers. */
export function encodeModules({ stamp, categories, layers }: IndexedModules): Buffer {
  const body = Buffer.from(
    `${JSON.stringify({ stamp, categories })}\n${JSON.stringify(layersLine(categories, layers()))}\n`
  )
  const header = JSON.stringify({ strata: 'modules', format: FORMAT, sha256: sha256(body) })
  return Buffer.concat([Buffer.from(`${header}\n`), body])
}

function layersLine(categories: IndexedCategory[], layers: ReadonlyMap<string, string[]>): LayersLine {
  const places = new Map<string, number>()
  const placeOf = (id: string): number => {
    const place = places.get(id) ?? places.size
    places.set(id, place)
    return place
  }
  const of = recordsOf(categories).map(record => layers.get(record)!.map(placeOf))
  return { ids: [...places.keys()], of }
}

const recordsOf = (categories: IndexedCategory[]): string[] =>
  categories.flatMap(({ names }) => names.flatMap(({ modules }) => modules.map(({ record }) => record)))

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

export interface ModulesFile {
  bytes: Buffer
  modules: IndexedModules
}

/** @returns undefined if no file can be read and believed; refs/ are read then */
export function readModulesFile(root: string): ModulesFile | undefined {
  try {
    const bytes = readPlainFile(storeFolder(root), MODULES_FILE, { mostBytes: LARGEST_BYTES })
    return bytes && { bytes, modules: decodeModules(bytes) }
  } catch {
    return undefined
  }
}

const NEWLINE = 0x0a

/** @throws Error of any kind for bytes that {@link encodeModules} did not write */
export function decodeModules(bytes: Buffer): IndexedModules {
  const bodyStart = bytes.indexOf(NEWLINE) + 1
  const layersStart = bytes.indexOf(NEWLINE, bodyStart) + 1
  const header = JSON.parse(bytes.toString('utf8', 0, bodyStart))
  demand(header.strata === 'modules' && header.format === FORMAT)
  demand(header.sha256 === sha256(bytes.subarray(bodyStart)))
  const line = bytes.toString('utf8', bodyStart, layersStart)
  demand(!UNPRINTABLE.test(line))
  const { stamp, categories }: Pick<IndexedModules, 'stamp' | 'categories'> = JSON.parse(line)
  checkStamp(stamp)
  for (const category of categories) checkCategory(category)
  let layers: Map<string, string[]> | undefined
  return {
    stamp,
    categories,
    layers: () => {
      layers ??= decodeLayers(bytes.toString('utf8', layersStart), recordsOf(categories))
      return layers
    }
  }
}

/**
 * Characters that no record holds (store/module/text-field.ts) and that terminals must not get: in JSON, bare or as an
 * escape other than `\n`, `\t`, `\"` and two backslashes. Testing a whole line costs a tenth of testing each text.
 */
const UNPRINTABLE = /[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]|(?<!\\)(?:\\\\)*\\[bfru]/

/** Layers that are missing here are read from the records. */
function decodeLayers(line: string, records: string[]): Map<string, string[]> {
  try {
    const { ids, of }: LayersLine = JSON.parse(line)
    demand(of.length === records.length && ids.every(id => MANIFEST_ID.test(id)))
    return new Map(records.map((record, i) => [record, of[i].map(place => at(ids, place))]))
  } catch {
    return new Map()
  }
}

function at(ids: string[], place: number): string {
  demand(Object.hasOwn(ids, place))
  return ids[place]
}

function checkCategory({ category, stamp, names }: IndexedCategory): void {
  checkStamp(stamp)
  demand(typeof category === 'string')
  for (const { name, stamp, modules } of names) {
    checkStamp(stamp)
    demand(typeof name === 'string')
    for (const module of modules) checkModule(module)
  }
}

function checkModule(module: IndexedModule): void {
  const { version, record, kind, summary, family, hidden, deprecated, labels } = module
  demand(typeof version === 'string' && MANIFEST_ID.test(record) && Object.hasOwn(KINDS, kind))
  demand(isTextOrAbsent(summary) && isTextOrAbsent(family) && (hidden === undefined || hidden === true))
  if (deprecated !== undefined)
    demand(typeof deprecated.date === 'string' && typeof deprecated.text === 'string')
  if (labels !== undefined) demand(Object.values(labels).every(isTextOrAbsent))
}

const isTextOrAbsent = (value: unknown): boolean => value === undefined || typeof value === 'string'

const checkStamp = (stamp: Stamp): void =>
  demand(stamp === null || (typeof stamp[0] === 'number' && typeof stamp[1] === 'number'))

function demand(isSo: boolean): void {
  if (!isSo) throw new Error(`${MODULES_FILE} is not what this version writes`)
}
