import { aclAt, Kind, type LayerIndex, latin1, StringTable, stringAt } from '../../store/object/index.ts'
import { entryName, type MergedTree } from '../merge/index.ts'
import { encodeAttributeSet } from './attribute-set.ts'
import { FLAG_GENERATED, type RecordTables } from './sandbox-record.ts'

/** Strings of a record that is being made, numbered from 1. Planning the applied metadata may add some. */
export class RecordStrings {
  readonly #table = new StringTable()
  readonly #bytes: Uint8Array[] = []

  /** @param text bytes as a latin1 string */
  add(text: string): number {
    const number = this.#table.add(text) + 1
    this.#bytes[number] ??= Buffer.from(text, 'latin1')
    return number
  }

  at(number: number): Uint8Array | undefined {
    return this.#bytes[number]
  }

  encode(): Pick<RecordTables, 'stringStart' | 'stringPool'> {
    return this.#table.encode()
  }
}

/** A record without applied metadata, with its strings still apart. Inodes are those of the merged tree. */
export interface StoredTruth {
  tables: Omit<RecordTables, 'stringStart' | 'stringPool'>
  strings: RecordStrings
}

const HASH_BYTES = 32

/** Collects the tree's metadata from the layers' indexes. Applied metadata starts as zeros. */
export function storedTruth(tree: MergedTree): StoredTruth {
  const strings = new RecordStrings()
  const tables = emptyTables(tree)
  const layers = tree.layers.map(({ index }) => new LayerStrings(index, strings))
  const contents = new ContentHashes(tables.contentHash)
  for (let inode = 0; inode < tree.inodeKind.length; inode++) {
    const layer = tree.inodeLayer[inode]
    const { index, role } = tree.layers[layer]
    const source = tree.inodeSource[inode]
    tables.flags[inode] = role === 'generated' ? FLAG_GENERATED : 0
    copyMetadata(tables, inode, index, source)
    tables.attributes[inode] = layers[layer].attributes(index.attributes[source])
    tables.access[inode] = layers[layer].acl(source, 'access')
    tables.default[inode] = layers[layer].acl(source, 'default')
    const kind = tree.inodeKind[inode]
    const payload = index.payload[source]
    if (kind === Kind.file) {
      tables.size[inode] = index.contentSize[payload]
      tables.payload[inode] = contents.add(index, payload)
    } else if (kind === Kind.symlink) tables.payload[inode] = strings.add(latin1(stringAt(index, payload)))
    else if (kind !== Kind.directory) tables.payload[inode] = payload
  }
  return { tables, strings }
}

/** Tables of the right size, with the tree's kinds and listings. */
function emptyTables(tree: MergedTree): StoredTruth['tables'] {
  const inodes = tree.inodeKind.length
  const files = tree.inodeKind.reduce((sum, kind) => sum + Number(kind === Kind.file), 0)
  const u32 = () => new Uint32Array(inodes)
  return {
    kind: tree.inodeKind,
    flags: new Uint8Array(inodes),
    mode: new Uint16Array(inodes),
    uid: u32(),
    gid: u32(),
    mtimeSeconds: new Float64Array(inodes),
    mtimeNanoseconds: u32(),
    size: new Float64Array(inodes),
    payload: u32(),
    attributes: u32(),
    access: u32(),
    default: u32(),
    appliedMode: new Uint16Array(inodes),
    // Threads that write files note here the time that the file system kept.
    appliedMtimeSeconds: new Float64Array(new SharedArrayBuffer(8 * inodes)),
    appliedMtimeNanoseconds: new Uint32Array(new SharedArrayBuffer(4 * inodes)),
    appliedAttributes: u32(),
    appliedAccess: u32(),
    appliedDefault: u32(),
    directoryFirst: tree.directoryFirst,
    directoryCount: tree.directoryCount,
    entryNameLength: tree.entryNameLength,
    entryInode: tree.entryInode,
    ...namesOf(tree),
    contentHash: new Uint8Array(HASH_BYTES * files)
  }
}

/** @param source the inode in the layer */
function copyMetadata(tables: StoredTruth['tables'], inode: number, index: LayerIndex, source: number): void {
  tables.mode[inode] = index.mode[source]
  tables.uid[inode] = index.uid[source]
  tables.gid[inode] = index.gid[source]
  tables.mtimeSeconds[inode] = index.mtimeSeconds[source]
  tables.mtimeNanoseconds[inode] = index.mtimeNanoseconds[source]
}

/** The hashes of the files' contents, one after another. */
class ContentHashes {
  readonly #hashes: Uint8Array
  #count = 0

  constructor(hashes: Uint8Array) {
    this.#hashes = hashes
  }

  /** @returns the number of the hash, from 0 */
  add({ contentHash }: LayerIndex, content: number): number {
    const hash = contentHash.subarray(content * HASH_BYTES, (content + 1) * HASH_BYTES)
    this.#hashes.set(hash, this.#count * HASH_BYTES)
    return this.#count++
  }
}

function namesOf(tree: MergedTree): Pick<RecordTables, 'entryNameStart' | 'names'> {
  const count = tree.entryInode.length
  const entryNameStart = new Uint32Array(count)
  const names = new Uint8Array(tree.entryNameLength.reduce((sum, length) => sum + length, 0))
  let position = 0
  for (let entry = 0; entry < count; entry++) {
    entryNameStart[entry] = position
    names.set(entryName(tree, entry), position)
    position += tree.entryNameLength[entry]
  }
  return { entryNameStart, names }
}

/** A layer's attribute sets and ACLs, each turned into a string once, because thousands of files share them. */
class LayerStrings {
  readonly #index: LayerIndex
  readonly #strings: RecordStrings
  readonly #sets: number[] = [0]
  readonly #acls = { access: [0], default: [0] }

  constructor(index: LayerIndex, strings: RecordStrings) {
    this.#index = index
    this.#strings = strings
  }

  attributes(set: number): number {
    this.#sets[set] ??= this.#strings.add(encodeAttributeSet(this.#attributesOf(set)))
    return this.#sets[set]
  }

  acl(inode: number, which: 'access' | 'default'): number {
    const known = this.#acls[which]
    const pair = this.#index.acl[inode]
    if (known[pair] === undefined) {
      const bytes = aclAt(this.#index, inode, which)
      known[pair] = bytes === undefined ? 0 : this.#strings.add(latin1(bytes))
    }
    return known[pair]
  }

  #attributesOf(set: number): Map<string, Uint8Array> {
    const { attributeSetStart, attributeName, attributeValue } = this.#index
    const found = new Map<string, Uint8Array>()
    for (let i = attributeSetStart[set - 1]; i < attributeSetStart[set]; i++)
      found.set(latin1(stringAt(this.#index, attributeName[i])), stringAt(this.#index, attributeValue[i]))
    return found
  }
}
