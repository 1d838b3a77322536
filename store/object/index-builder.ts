/**
 * Builds a LayerIndex from a finished tree and the tables of its data. Inodes are numbered parents first, listings are
 * sorted, and attribute sets and ACLs are kept once. The result depends on the tree alone, and not on the order in
 * which it was built.
 */
import { decodeAcl, modeOf } from '../acl/index.ts'
import type { BlockForm, PathBytes } from '../values/index.ts'
import type { FinishedData } from './data-writer.ts'
import { u8Column, u32Column } from './growing-column.ts'
import { Kind, type LayerIndex, layerIndex, NONE, WHITEOUT } from './layer-index.ts'
import type { Inode, LayerTree, Names } from './layer-tree.ts'
import { hashListings } from './listing-hashes.ts'
import { latin1, StringTable } from './string-table.ts'

/**
 * Attributes and ACLs of an inode from the sidecar. Equal values should be the same object, because identity is
 * compared first.
 */
export interface Marks {
  /** Extended attributes by full name, without ACLs. */
  attributes?: ReadonlyMap<string, Uint8Array>
  /** ACLs in the form of the kernel's attributes. */
  access?: Uint8Array
  default?: Uint8Array
}

export function buildIndex(
  tree: LayerTree,
  marks: ReadonlyMap<Inode, Marks>,
  data: FinishedData,
  profile: BlockForm
): LayerIndex {
  const order = new InodeOrder(tree) // every inode has its final number
  const rows = order.rows
  const strings = new StringTable()
  const sets = new AttributeSets(strings)
  const acls = new AclPairs(strings)
  const columns = copyColumns(tree, rows)
  // One pass, because the order in which strings are added gives them their numbers.
  for (let number = 0; number < rows.length; number++) {
    const kind = columns.kind[number]
    if (kind === Kind.directory) {
      columns.payload[number] = order.firstEntry.get(number)
      columns.entryCount[number] = order.entryCount.get(number)
    } else if (kind === Kind.symlink || kind === Kind.hardlink)
      columns.payload[number] = strings.add(tree.linkTargets[columns.payload[number]])
    const mark = marks.get(rows[number])
    if (mark === undefined) continue
    columns.attributes[number] = sets.add(mark.attributes)
    columns.acl[number] = acls.add(mark)
    columns.mode[number] = acls.modeUnder(mark, columns.mode[number])
  }
  const tables = {
    ...columns,
    ...order.listings(),
    ...sets.encode(),
    ...acls.encode(),
    ...strings.encode(), // last: the tables above add to it
    ...data.tables,
    contentHash: data.contentHash
  }
  return layerIndex({ ...tables, ...hashListings(tables) }, profile, data)
}

/** The tree's columns in the order of inode numbers, and new ones that are filled later. */
function copyColumns(tree: LayerTree, rows: Uint32Array) {
  const count = rows.length
  return {
    kind: pick(tree.kind.view(), rows, new Uint8Array(count)),
    flags: pick(tree.flags.view(), rows, new Uint8Array(count)),
    mode: pick(tree.mode.view(), rows, new Uint16Array(count)),
    uid: pick(tree.uid.view(), rows, new Uint32Array(count)),
    gid: pick(tree.gid.view(), rows, new Uint32Array(count)),
    mtimeSeconds: pick(tree.mtimeSeconds.view(), rows, new Float64Array(count)),
    mtimeNanoseconds: pick(tree.mtimeNanoseconds.view(), rows, new Uint32Array(count)),
    payload: pick(tree.payload.view(), rows, new Uint32Array(count)),
    entryCount: new Uint32Array(count),
    attributes: new Uint32Array(count),
    acl: new Uint32Array(count)
  }
}

/** Directories are visited in the order of their numbers; a visit numbers the directory's children one after another. */
class InodeOrder {
  /** For directories, by inode number; 0 for others. */
  readonly firstEntry = u32Column()
  readonly entryCount = u32Column()
  readonly #rows = u32Column()
  readonly #numberOfRow: Uint32Array
  readonly #entryInode = u32Column()
  readonly #entryNameStart = u32Column()
  readonly #entryNameLength = u8Column()
  readonly #names: PathBytes[] = []
  #namesBytes = 0

  constructor(tree: LayerTree) {
    this.#numberOfRow = new Uint32Array(tree.kind.length).fill(NONE)
    this.#number(0)
    for (let visited = 0; visited < this.#rows.length; visited++) {
      const listing = tree.listings.get(this.#rows.get(visited))
      if (listing !== undefined) this.#visit(visited, listing)
    }
  }

  /** Row in the tree for each inode number. */
  get rows(): Uint32Array {
    return this.#rows.view()
  }

  listings(): Pick<LayerIndex, 'entryNameStart' | 'entryNameLength' | 'entryInode' | 'names'> {
    return {
      entryNameStart: this.#entryNameStart.view(),
      entryNameLength: this.#entryNameLength.view(),
      entryInode: this.#entryInode.view(),
      names: Buffer.from(this.#names.join(''), 'latin1')
    }
  }

  #visit(directory: number, listing: Names): void {
    this.firstEntry.set(directory, this.#entryInode.length)
    this.entryCount.set(directory, listing.size)
    for (const name of [...listing.keys()].sort(byBytes)) {
      const row = listing.get(name)!
      this.#entryInode.push(row === WHITEOUT ? WHITEOUT : this.#number(row))
      this.#entryNameStart.push(this.#namesBytes)
      this.#entryNameLength.push(name.length)
      this.#names.push(name)
      this.#namesBytes += name.length
    }
  }

  #number(row: Inode): number {
    if (this.#numberOfRow[row] === NONE) {
      this.#numberOfRow[row] = this.#rows.push(row)
      this.firstEntry.push(0)
      this.entryCount.push(0)
    }
    return this.#numberOfRow[row]
  }
}

const byBytes = (a: PathBytes, b: PathBytes): number => (a < b ? -1 : a > b ? 1 : 0)

function pick<T extends { [i: number]: number }>(from: ArrayLike<number>, rows: Uint32Array, to: T): T {
  for (let i = 0; i < rows.length; i++) (to as { [i: number]: number })[i] = from[rows[i]]
  return to
}

/** Distinct sets of attributes. */
class AttributeSets {
  readonly #strings: StringTable
  readonly #byIdentity = new Map<object, number>()
  readonly #byContent = new Map<string, number>()
  readonly #start = u32Column()
  readonly #name = u32Column()
  readonly #value = u32Column()

  constructor(strings: StringTable) {
    this.#strings = strings
    this.#start.push(0)
  }

  /** @returns number + 1, or 0 for no attributes */
  add(attributes: ReadonlyMap<string, Uint8Array> | undefined): number {
    if (attributes === undefined || attributes.size === 0) return 0
    const seen = this.#byIdentity.get(attributes)
    if (seen !== undefined) return seen
    const pairs = [...attributes.keys()]
      .sort(byBytes)
      .map(name => [this.#strings.add(name), this.#strings.add(latin1(attributes.get(name)!))])
    const key = pairs.join(' ')
    const number = this.#byContent.get(key) ?? this.#insert(key, pairs)
    this.#byIdentity.set(attributes, number)
    return number
  }

  #insert(key: string, pairs: number[][]): number {
    for (const [name, value] of pairs) {
      this.#name.push(name)
      this.#value.push(value)
    }
    const number = this.#start.push(this.#name.length)
    this.#byContent.set(key, number)
    return number
  }

  encode(): Pick<LayerIndex, 'attributeSetStart' | 'attributeName' | 'attributeValue'> {
    return {
      attributeSetStart: this.#start.view(),
      attributeName: this.#name.view(),
      attributeValue: this.#value.view()
    }
  }
}

/** Distinct pairs of access and default ACL. */
class AclPairs {
  readonly #strings: StringTable
  readonly #numbers = new Map<string, number>()
  readonly #stringOf = new Map<Uint8Array, number>()
  readonly #modes = new Map<Uint8Array, number>()
  readonly #access = u32Column()
  readonly #default = u32Column()

  constructor(strings: StringTable) {
    this.#strings = strings
  }

  /** @returns number + 1, or 0 for no ACL */
  add(marks: Marks): number {
    if (marks.access === undefined && marks.default === undefined) return 0
    const access = this.#add(marks.access)
    const default_ = this.#add(marks.default)
    const key = `${access} ${default_}`
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.#access.push(access)
    const number = this.#default.push(default_) + 1
    this.#numbers.set(key, number)
    return number
  }

  #add(acl: Uint8Array | undefined): number {
    if (acl === undefined) return NONE
    const known = this.#stringOf.get(acl)
    if (known !== undefined) return known
    const number = this.#strings.add(latin1(acl))
    this.#stringOf.set(acl, number)
    return number
  }

  /**
   * The mode of an inode: an ACL decides its permission bits, even if the header has others
   * (store/import/marks-collector.ts).
   */
  modeUnder({ access }: Marks, mode: number): number {
    if (access === undefined) return mode
    const bits = this.#modes.get(access) ?? modeOf(decodeAcl(access))
    this.#modes.set(access, bits)
    return (mode & 0o7000) | bits
  }

  encode(): Pick<LayerIndex, 'aclAccess' | 'aclDefault'> {
    return { aclAccess: this.#access.view(), aclDefault: this.#default.view() }
  }
}
