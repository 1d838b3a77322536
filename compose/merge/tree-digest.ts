/**
 * SHA-256 of everything that the modules put into the tree, and of nothing else: not of compressors, block sizes, or
 * of how the files were cut into layers (spec/tree-digest.md). Two trees have one digest when and only when every
 * name, type, mode, owner, time, size, content, link, device, attribute, ACL and hard link is the same.
 */
import { createHash, type Hash } from 'node:crypto'
import { Kind, type LayerIndex, NONE, stringAt } from '../../store/object/layer-index.ts'
import { aclOf } from './compare.ts'
import type { MergedTree } from './merged-tree.ts'

const MAGIC = 'strata tree 1\n'
const HASH_BYTES = 32
/** In place of metadata: the name is one more link to the inode of an earlier record. */
const HARD_LINK = 0

/** @returns 32 bytes */
export function treeDigest(tree: MergedTree): Buffer {
  const sink = new HashSink()
  sink.bytes(Buffer.from(MAGIC))
  const { entryInode, entryLayer, entryNameStart, entryNameLength, directoryFirst, directoryCount } = tree
  const isGenerated = tree.layers.map(({ role }) => role === 'generated')
  // Record number of each inode that was written: hard links refer to it.
  const recordOf = new Uint32Array(tree.inodeKind.length).fill(NONE)
  let records = 0
  const next: number[] = []
  const end: number[] = []
  const enter = (inode: number) => {
    next.push(directoryFirst[inode])
    end.push(directoryFirst[inode] + directoryCount[inode])
  }
  recordOf[0] = records++
  writeInode(sink, tree, 0)
  enter(0)
  while (next.length > 0) {
    const at = next.length - 1
    if (next[at] === end[at]) {
      // A name of no bytes closes the directory: no entry has one.
      sink.reserve(NAME_BYTES)
      sink.u16(0)
      next.pop()
      end.pop()
      continue
    }
    const entry = next[at]++
    if (isGenerated[entryLayer[entry]]) continue
    sink.reserve(NAME_BYTES + LINK_BYTES)
    sink.u16(entryNameLength[entry])
    sink.shortBytes(tree.layers[entryLayer[entry]].index.names, entryNameStart[entry], entryNameLength[entry])
    const inode = entryInode[entry]
    if (recordOf[inode] !== NONE) {
      sink.u8(HARD_LINK)
      sink.u32(recordOf[inode])
      records++
      continue
    }
    recordOf[inode] = records++
    writeInode(sink, tree, inode)
    if (tree.inodeKind[inode] === Kind.directory) enter(inode)
  }
  return sink.digest()
}

const NAME_BYTES = 2 + 255
const LINK_BYTES = 5
/** Of an inode, to where its target or its attributes begin. */
const FIXED_BYTES = 23 + 8 + HASH_BYTES
/** Neither attributes nor ACLs, as nearly all inodes are. */
const NOTHING_MORE_BYTES = 12

function writeInode(sink: HashSink, tree: MergedTree, inode: number): void {
  const { index } = tree.layers[tree.inodeLayer[inode]]
  const source = tree.inodeSource[inode]
  const kind = index.kind[source]
  sink.reserve(FIXED_BYTES + NOTHING_MORE_BYTES)
  sink.metadata(
    kind,
    index.mode[source],
    index.uid[source],
    index.gid[source],
    index.mtimeSeconds[source],
    index.mtimeNanoseconds[source]
  )
  writePayload(sink, index, kind, index.payload[source])
  if (index.attributes[source] === 0 && index.acl[source] === 0) {
    sink.reserve(NOTHING_MORE_BYTES)
    sink.u32s(0, ABSENT, ABSENT)
    return
  }
  writeAttributes(sink, index, index.attributes[source])
  sink.optional(aclOf(index, source, 'access'))
  sink.optional(aclOf(index, source, 'default'))
}

function writePayload(sink: HashSink, index: LayerIndex, kind: number, payload: number): void {
  if (kind === Kind.file) {
    sink.f64(index.contentSize[payload])
    sink.shortBytes(index.contentHash, payload * HASH_BYTES, HASH_BYTES)
  } else if (kind === Kind.symlink) sink.sized(stringAt(index, payload))
  else if (kind === Kind.block || kind === Kind.character) sink.u32(payload)
}

function writeAttributes(sink: HashSink, index: LayerIndex, set: number): void {
  const start = set === 0 ? 0 : index.attributeSetStart[set - 1]
  const end = set === 0 ? 0 : index.attributeSetStart[set]
  sink.reserve(4)
  sink.u32(end - start)
  for (let i = start; i < end; i++) {
    sink.sized(stringAt(index, index.attributeName[i]))
    sink.sized(stringAt(index, index.attributeValue[i]))
  }
}

const SINK_BYTES = 1 << 16
/** In place of a length: there is no such value. */
const ABSENT = 0xffffffff

/** Little-endian numbers and bytes into a hash, through a buffer: a call into OpenSSL for each would cost most. */
class HashSink {
  readonly #hash: Hash = createHash('sha256')
  readonly #buffer = Buffer.allocUnsafeSlow(SINK_BYTES)
  readonly #view = new DataView(this.#buffer.buffer)
  #length = 0

  /** The next numbers and short bytes need at most so much room. */
  reserve(lengthBytes: number): void {
    if (this.#length + lengthBytes > SINK_BYTES) this.#flush()
  }

  u8(value: number): void {
    this.#buffer[this.#length++] = value
  }

  u16(value: number): void {
    this.#view.setUint16(this.#length, value, true)
    this.#length += 2
  }

  /** What every inode has, in one call: there are many. */
  metadata(kind: number, mode: number, uid: number, gid: number, seconds: number, nanoseconds: number): void {
    const view = this.#view
    const at = this.#length
    view.setUint8(at, kind)
    view.setUint16(at + 1, mode, true)
    view.setUint32(at + 3, uid, true)
    view.setUint32(at + 7, gid, true)
    view.setFloat64(at + 11, seconds + 0, true) // adding 0 turns -0 into 0: equal numbers are equal bytes
    view.setUint32(at + 19, nanoseconds, true)
    this.#length = at + 23
  }

  u32s(first: number, second: number, third: number): void {
    const view = this.#view
    const at = this.#length
    view.setUint32(at, first, true)
    view.setUint32(at + 4, second, true)
    view.setUint32(at + 8, third, true)
    this.#length = at + 12
  }

  u32(value: number): void {
    this.#view.setUint32(this.#length, value, true)
    this.#length += 4
  }

  f64(value: number): void {
    this.#view.setFloat64(this.#length, value, true)
    this.#length += 8
  }

  shortBytes(from: Uint8Array, start: number, lengthBytes: number): void {
    for (let i = 0; i < lengthBytes; i++) this.#buffer[this.#length + i] = from[start + i]
    this.#length += lengthBytes
  }

  /** Length, then bytes. */
  sized(bytes: Uint8Array): void {
    this.reserve(4)
    this.u32(bytes.length)
    this.bytes(bytes)
  }

  optional(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) {
      this.reserve(4)
      this.u32(ABSENT)
    } else this.sized(bytes)
  }

  bytes(bytes: Uint8Array): void {
    if (bytes.length > SINK_BYTES) {
      this.#flush()
      this.#hash.update(bytes)
      return
    }
    this.reserve(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  digest(): Buffer {
    this.#flush()
    return this.#hash.digest()
  }

  #flush(): void {
    this.#hash.update(this.#buffer.subarray(0, this.#length))
    this.#length = 0
  }
}
