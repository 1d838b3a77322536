/**
 * `/.compose/owners`: the module of each path (spec/image-metadata.md#owners). Most paths have the same module as
 * their directory, and are not listed.
 */

import { Kind } from '../../store/object/index.ts'
import { type PathBytes, StrataError } from '../../store/values/index.ts'
import { findPath, type MergedTree } from '../merge/index.ts'
import { ByteText } from './byte-text.ts'
import type { GeneratedEntry } from './generated-entry.ts'
import { escapedPath, TreePaths } from './tree-paths.ts'

/** Written for a module without a name, and as a number for no module. */
const NONE = '-'

/**
 * @param names of the modules by ordinal; undefined for bare layers
 * @param generated entries that no module brought, sorted by path
 */
export function formatOwners(
  tree: MergedTree,
  names: (string | undefined)[],
  generated: GeneratedEntry[]
): Uint8Array {
  const table = names.map((name, i) => `${i}\t${name ?? NONE}\n`).join('')
  const text = new ByteText().add(Buffer.from(`${table}\n`))
  addOwners(tree, text)
  for (const path of generatedRoots(tree, generated))
    text.add(Buffer.from(`/${escapedPath(path)}\t${NONE}\n`, 'latin1'))
  return text.bytes()
}

function addOwners(tree: MergedTree, text: ByteText): void {
  const paths = new TreePaths(tree)
  const ends = tree.layers.map(({ module }) => Buffer.from(`\t${module}\n`))
  text.add(SLASH).add(ends[tree.inodeLayer[0]])
  const foreign = foreignEntries(tree)
  for (let i = 0; i < foreign.length; i += 2) {
    const directory = foreign[i]
    const entry = foreign[i + 1]
    text.add(SLASH)
    paths.addTo(text, directory, entry)
    text.add(ends[tree.entryLayer[entry]])
  }
}

const SLASH = Buffer.from('/')

/**
 * Names that another module brought than that of their directory: pairs of directory and entry, directories before
 * their content. A directory that only one layer has contains none.
 */
function foreignEntries(tree: MergedTree): number[] {
  const { directories, directoryFirst, directoryCount, directoryIsWhole, entryLayer, entryInode, inodeKind } =
    tree
  const moduleOf = Uint16Array.from(tree.layers, ({ module }) => module)
  const moduleOfDirectory = new Uint16Array(inodeKind.length)
  moduleOfDirectory[0] = moduleOf[tree.inodeLayer[0]]
  const found: number[] = []
  for (const directory of directories) {
    if (directoryIsWhole[directory] === 1) continue
    const own = moduleOfDirectory[directory]
    const end = directoryFirst[directory] + directoryCount[directory]
    for (let entry = directoryFirst[directory]; entry < end; entry++) {
      const module = moduleOf[entryLayer[entry]]
      const inode = entryInode[entry]
      if (inodeKind[inode] === Kind.directory) moduleOfDirectory[inode] = module
      if (module !== own) found.push(directory, entry)
    }
  }
  return found
}

/** Generated paths that the modules' tree does not have, without those below another one. */
function generatedRoots(tree: MergedTree, generated: GeneratedEntry[]): PathBytes[] {
  const roots: PathBytes[] = []
  for (const { path } of generated) {
    const last = roots.at(-1)
    if (last !== undefined && path.startsWith(`${last}/`)) continue
    if (findPath(tree, path) === undefined) roots.push(path)
  }
  return roots
}

export interface PathOwner {
  /** Ordinal of the module in the stack, from 0 at the bottom. */
  module: number
  /** `category/name-version`; undefined for bare layers. */
  name?: string
}

/**
 * The module that brought a path; undefined for paths that every image gets.
 * @param owners content of `/.compose/owners`
 * @param path relative to the root, links resolved; it need not exist in the image
 * @throws StrataError IMAGE_INVALID
 */
export function ownerOf(owners: Uint8Array, path: PathBytes): PathOwner | undefined {
  const text = Buffer.from(owners.buffer, owners.byteOffset, owners.byteLength)
  const tableEnd = text.indexOf('\n\n')
  const number = tableEnd < 0 ? undefined : listedOwner(text, tableEnd + 1, path)
  if (number === NONE) return undefined
  const name = number && moduleName(text.toString('utf8', 0, tableEnd), number)
  if (number === undefined || name === undefined)
    throw new StrataError('IMAGE_INVALID', {
      message: '/.compose/owners does not say who owns /, or names a module that it does not list',
      facts: { bytes: text.length }
    })
  return { module: Number(number), ...(name !== NONE && { name }) }
}

/** Text after the path, or after the nearest path above it. @param start of the lines of paths, less one */
function listedOwner(text: Buffer, start: number, path: PathBytes): string | undefined {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
    const line = Buffer.from(`\n/${escapedPath(at)}\t`, 'latin1')
    const found = text.indexOf(line, start)
    if (found >= 0) {
      const from = found + line.length
      const end = text.indexOf('\n', from)
      return text.toString('latin1', from, end < 0 ? text.length : end)
    }
    if (at === '') return undefined
  }
}

function moduleName(table: string, number: string): string | undefined {
  const line = table.split('\n')[Number(number)]
  return line?.startsWith(`${number}\t`) ? line.slice(number.length + 1) : undefined
}

/**
 * Returns a test for paths that no module brought. The listing is read once.
 * @param owners content of `/.compose/owners`
 */
export function generatedPaths(owners: Uint8Array): (path: PathBytes) => boolean {
  const text = Buffer.from(owners.buffer, owners.byteOffset, owners.byteLength).toString('latin1')
  const mark = `\t${NONE}`
  const lines = text.slice(text.indexOf('\n\n') + 2).split('\n')
  const roots = new Set(lines.filter(line => line.endsWith(mark)).map(line => line.slice(1, -mark.length)))
  return path => {
    for (let at = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/'))))
      if (roots.has(escapedPath(at))) return true
    return false
  }
}
