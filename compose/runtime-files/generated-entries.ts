/**
 * Generates all paths of an image that are not files of modules (spec/image-metadata.md). They depend only on the
 * modules, the lock and the merged tree, and not on date, host or user.
 */

import { formatModuleName } from '../../store/module/index.ts'
import { type PathBytes, StrataError } from '../../store/values/index.ts'
import { findPath, type MergedTree } from '../merge/index.ts'
import { formatAclListing } from './acl-listing.ts'
import { apptainerEntries } from './apptainer.ts'
import { environmentChanges } from './environment-changes.ts'
import {
  formatApptainerEnvironment,
  formatCharliecloudEnvironment,
  formatProfileScript
} from './environment-files.ts'
import { directory, file, type GeneratedEntry } from './generated-entry.ts'
import { type ImageModule, recordsOf } from './image-module.ts'
import { mountPoints } from './mount-points.ts'
import { formatOverrides } from './overrides.ts'
import { formatOwners } from './owners.ts'

export interface GeneratedInput {
  /** Bottom to top, in the order of the module ordinals of the tree's layers. */
  modules: ImageModule[]
  /** Text of `/.compose/lock`. */
  lock: string
  /** Text of `/.compose/layers`. */
  layerList: string
  /** The tree of the modules alone. */
  tree: MergedTree
}

/** Folder in which an image describes itself; a module cannot bring it. */
const OWN = '.compose'
const READ_ONLY = 0o444

/**
 * Entries sorted by path, directories before their content. They are merged with the role `generated`, so they
 * replace nothing.
 * @throws StrataError CONFLICT if a module brings `/.compose`
 * @throws StrataError STACK_INVALID if two modules have one name
 */
export function generatedEntries({ modules, lock, layerList, tree }: GeneratedInput): GeneratedEntry[] {
  if (tree.layers.some(({ module }) => modules[module] === undefined))
    throw new TypeError(`the tree's layers are of more than ${modules.length} modules`)
  refuseOwnMetadata(tree)
  const records = recordsOf(modules)
  const changes = environmentChanges(records)
  const runtime = [
    ...mountPoints(tree),
    directory('ch'),
    file('ch/environment', formatCharliecloudEnvironment(changes)),
    directory('etc/profile.d'),
    file('etc/profile.d/zz-compose.sh', formatProfileScript(changes)),
    ...apptainerEntries(modules, records, formatApptainerEnvironment(changes), tree)
  ]
  const own = [
    directory(OWN),
    ...recordEntries(modules),
    file(`${OWN}/acl`, formatAclListing(tree), READ_ONLY),
    ...overrideEntries(tree, modules),
    file(`${OWN}/layers`, layerList, READ_ONLY),
    file(`${OWN}/lock`, lock, READ_ONLY)
  ]
  const others = [...runtime, ...own].sort(byPath)
  const names = modules.map(({ name }) => name)
  return [...others, file(`${OWN}/owners`, formatOwners(tree, names, others), READ_ONLY)].sort(byPath)
}

/** Files and links that a module brings under the same name; the image gets those of the module. */
export const shadowedPaths = (entries: GeneratedEntry[], tree: MergedTree): PathBytes[] =>
  entries
    .filter(({ kind, path }) => kind !== 'directory' && findPath(tree, path) !== undefined)
    .map(({ path }) => path)

/** Only if there are any, because most images have none. */
const overrideEntries = ({ overrides }: MergedTree, modules: ImageModule[]): GeneratedEntry[] =>
  overrides.length === 0
    ? []
    : [
        file(
          `${OWN}/overrides`,
          formatOverrides(
            overrides,
            modules.map(({ name }) => name)
          ),
          READ_ONLY
        )
      ]

const byPath = (a: GeneratedEntry, b: GeneratedEntry): number => (a.path < b.path ? -1 : 1)

/** A lock that a module brings would pass for the lock of this image. */
function refuseOwnMetadata(tree: MergedTree): void {
  const found = findPath(tree, OWN)
  if (found === undefined) return
  const { name } = tree.layers[found.layer]
  throw new StrataError('CONFLICT', {
    message: `${name} brings /${OWN}, where an image keeps its lock and records`,
    facts: { module: name, path: `/${OWN}` },
    hint: name.startsWith('image/')
      ? 'compose pull HOST/REPOSITORY:TAG and compose build OUT stack.lock, if compose push sent it from a lock; else compose build --bare'
      : `import ${name} without /${OWN}, or build with --bare`
  })
}

/** Records as their exact bytes, so that their ids can be checked. */
function recordEntries(modules: ImageModule[]): GeneratedEntry[] {
  const categories = new Set<string>()
  const files = new Map<PathBytes, GeneratedEntry>()
  for (const { record, recordBytes } of modules) {
    if (record === undefined || recordBytes === undefined) continue
    const name = formatModuleName(record)
    const path = `${OWN}/modules/${name}.json`
    if (files.has(path))
      throw new StrataError('STACK_INVALID', {
        message: `module ${name} stands twice in the stack`,
        facts: { module: name },
        hint: `compose rm ${name}`
      })
    categories.add(record.category)
    files.set(path, file(path, recordBytes, READ_ONLY))
  }
  const folders = [...categories].map(category => directory(`${OWN}/modules/${category}`))
  return [directory(`${OWN}/modules`), ...folders, ...files.values()]
}
