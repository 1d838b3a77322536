/**
 * `index/modules.json`: every module of one store with its summary, and what its folders in refs/ looked like when
 * they were read (spec/index.md#modules). A plain file, because any number of readers can read it at once and
 * without write permission, which LevelDB does not allow; and one file, because it is replaced as a whole.
 *
 * Whoever may publish could have written it. So it is believed only when its hash is right and every part has the
 * form that it must have; else it counts as absent.
 */
import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nameFault } from '../module/name.ts'
import type { ModuleKind } from '../module/settings.ts'
import { checkLine, checkText } from '../module/text-field.ts'
import { MODULES_FILE } from '../store-layout.ts'
import type { RecordSummary } from './module-summary.ts'

/**
 * Inode number and time of last change (milliseconds with fractions) of a folder; null where that time was so near
 * to the reading that a later change could bear the same.
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
  /** Of refs/modules itself. */
  stamp: Stamp
  categories: IndexedCategory[]
  /** Layers of each record, bottom to top. Parsed on demand: a list of modules does without. */
  layers(): ReadonlyMap<string, string[]>
}

const FORMAT = 1
// Not MODULE_KINDS: its file brings the manifest codecs along, which take longer to load than this file to read.
const KINDS: Record<ModuleKind, true> = { base: true, library: true, application: true }
const MANIFEST_ID = /^baguqeera[a-z2-7]{52}$/

/** Three lines of JSON: header with the hash of the rest, modules, layers. */
export function encodeModules({ stamp, categories, layers }: IndexedModules): string {
  const body = `${JSON.stringify({ stamp, categories })}\n${JSON.stringify([...layers()])}\n`
  return `${JSON.stringify({ strata: 'modules', format: FORMAT, sha256: sha256(body) })}\n${body}`
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

export interface ModulesFile {
  text: string
  modules: IndexedModules
}

/** @returns undefined when there is none that can be read and believed: then refs/ says it */
export function readModulesFile(root: string): ModulesFile | undefined {
  try {
    const text = readPlainFile(join(root, MODULES_FILE))
    return { text, modules: decodeModules(text) }
  } catch {
    return undefined
  }
}

// O_NONBLOCK: opening a pipe would wait for a writer.
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

function readPlainFile(path: string): string {
  const file = openSync(path, FLAGS)
  try {
    demand(fstatSync(file).isFile())
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

/** @throws Error of any kind when this is not what {@link encodeModules} wrote */
export function decodeModules(text: string): IndexedModules {
  const bodyStart = text.indexOf('\n') + 1
  const layersStart = text.indexOf('\n', bodyStart) + 1
  const header = JSON.parse(text.slice(0, bodyStart))
  demand(header.strata === 'modules' && header.format === FORMAT)
  demand(header.sha256 === sha256(text.slice(bodyStart)))
  const { stamp, categories } = JSON.parse(text.slice(bodyStart, layersStart))
  checkStamp(stamp)
  for (const category of categories as IndexedCategory[]) checkCategory(category)
  let layers: Map<string, string[]> | undefined
  return {
    stamp,
    categories,
    layers: () => {
      layers ??= decodeLayers(text.slice(layersStart))
      return layers
    }
  }
}

/** What is missing here is read from the records. */
function decodeLayers(line: string): Map<string, string[]> {
  try {
    const layers = new Map<string, string[]>(JSON.parse(line))
    for (const [record, ids] of layers) demand([record, ...ids].every(id => MANIFEST_ID.test(id)))
    return layers
  } catch {
    return new Map()
  }
}

function checkCategory({ category, stamp, names }: IndexedCategory): void {
  checkStamp(stamp)
  for (const { name, stamp, modules } of names) {
    checkStamp(stamp)
    for (const module of modules) {
      demand(nameFault({ category, name, version: module.version }) === undefined)
      checkModule(module)
    }
  }
}

function checkModule({ record, kind, summary, family, hidden, deprecated, labels }: IndexedModule): void {
  demand(MANIFEST_ID.test(record) && Object.hasOwn(KINDS, kind))
  demand(hidden === undefined || hidden === true)
  // What goes to a terminal is checked as records are.
  if (summary !== undefined) checkLine(summary, 'summary')
  if (family !== undefined) checkLine(family, 'family')
  if (deprecated !== undefined) {
    checkLine(deprecated.date, 'date')
    checkLine(deprecated.text, 'deprecated')
  }
  demand(labels === undefined || (typeof labels === 'object' && labels !== null))
  for (const [key, value] of Object.entries(labels ?? {})) {
    checkLine(key, 'label')
    if (value !== '') checkText(value, 'label')
  }
}

const checkStamp = (stamp: Stamp): void =>
  demand(stamp === null || (typeof stamp[0] === 'number' && typeof stamp[1] === 'number'))

function demand(isSo: boolean): void {
  if (!isSo) throw new Error(`${MODULES_FILE} is not what this version writes`)
}
