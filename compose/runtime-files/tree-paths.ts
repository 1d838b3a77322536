import { escapeBytes, GETFACL_NAMES } from '../../store/acl/index.ts'
import { Kind, NONE } from '../../store/object/index.ts'
import { type PathBytes, pathFromBuffer, pathToBuffer } from '../../store/values/index.ts'
import type { MergedTree } from '../merge/index.ts'
import { ByteText } from './byte-text.ts'

/** Calls `visit` with each directory and the number of each of its entries, directories before their content. */
export function visitEntries(tree: MergedTree, visit: (directory: number, entry: number) => void): void {
  for (const directory of tree.directories) {
    const first = tree.directoryFirst[directory]
    const end = first + tree.directoryCount[directory]
    for (let entry = first; entry < end; entry++) visit(directory, entry)
  }
}

/** Makes paths of a merged tree on demand. They are escaped as getfacl does, and tabs are escaped, too. */
export class TreePaths {
  readonly #tree: MergedTree
  /** For each directory, the entry that names it. Made on demand, because many stacks never need it. */
  #entryOf: Uint32Array | undefined
  /** For each layer, true if its names have bytes to escape; undefined until it is needed. */
  readonly #hasAwkward: (boolean | undefined)[] = []
  #lastDirectory = 0
  #lastPrefix: Uint8Array = new Uint8Array(0)

  constructor(tree: MergedTree) {
    this.#tree = tree
  }

  /** Appends the path of an entry, relative to the root. */
  addTo(text: ByteText, directory: number, entry: number): void {
    text.add(this.#prefixOf(directory))
    this.#addName(text, entry)
  }

  /** Path of a directory with a `/` at its end; empty for the root. */
  #prefixOf(directory: number): Uint8Array {
    if (directory === this.#lastDirectory) return this.#lastPrefix
    const above: number[] = []
    for (let at = directory; at !== 0; at = this.#tree.directoryParent[at]) above.push(this.#entryNaming(at))
    const prefix = new ByteText(256)
    for (const entry of above.reverse()) {
      this.#addName(prefix, entry)
      prefix.add(SLASH)
    }
    this.#lastDirectory = directory
    this.#lastPrefix = prefix.bytes()
    return this.#lastPrefix
  }

  #entryNaming(directory: number): number {
    const { directoryFirst, directoryCount, directoryParent, entryInode, inodeKind } = this.#tree
    this.#entryOf ??= new Uint32Array(inodeKind.length).fill(NONE)
    if (this.#entryOf[directory] === NONE) {
      const parent = directoryParent[directory]
      const end = directoryFirst[parent] + directoryCount[parent]
      for (let entry = directoryFirst[parent]; entry < end; entry++)
        if (inodeKind[entryInode[entry]] === Kind.directory) this.#entryOf[entryInode[entry]] = entry
    }
    return this.#entryOf[directory]
  }

  #addName(text: ByteText, entry: number): void {
    const { layers, entryLayer, entryNameStart, entryNameLength } = this.#tree
    const layer = entryLayer[entry]
    const { names } = layers[layer].index
    const start = entryNameStart[entry]
    const end = start + entryNameLength[entry]
    this.#hasAwkward[layer] ??= hasAwkward(names)
    if (this.#hasAwkward[layer])
      text.add(pathToBuffer(escapedPath(pathFromBuffer(names.subarray(start, end)))))
    else text.add(names, start, end)
  }
}

const SLASH = Buffer.from('/')

/** True if a byte is one that `escapedPath` escapes. */
function hasAwkward({ buffer, byteOffset, length }: Uint8Array): boolean {
  const names = Buffer.from(buffer, byteOffset, length)
  return ['\\', '\t', '\n', '\v', '\f', '\r'].some(character => names.includes(character.charCodeAt(0)))
}

/** Escapes a path for a line of text, where it stands alone or before a tab. */
export const escapedPath = (path: PathBytes): string => escapeBytes(path, /[\\\t-\r]/g, GETFACL_NAMES)
