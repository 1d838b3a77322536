/** Feeds the bytes of tree digests (spec/tree-digest.md) to SHA-256. */
import { createHash, type Hash } from 'node:crypto'
import { aclAt, type DataTables, HASH_BYTES, Kind, stringAt, type TreeTables } from './layer-index.ts'

/** The tables from which an inode's bytes are taken. */
export type HashedTables = Omit<TreeTables, 'directoryInode' | 'listingHash'> &
  Pick<DataTables, 'contentSize'>

const BUFFER_BYTES = 1 << 16
const NAME_BYTES = 2 + 255
/** Bytes of an inode up to its target or its attributes. */
const FIXED_BYTES = 23 + 8 + HASH_BYTES
/** Bytes that say "neither attributes nor ACLs", which is true of nearly all inodes. */
const NOTHING_MORE_BYTES = 12
/** Stands in place of a length if there is no value. */
const ABSENT = 0xffffffff

/** Computes one hash after another. A buffer saves a call into OpenSSL for each number, which would cost most. */
export class TreeHasher {
  /** Begun only when the buffer is full, because most directories are small. */
  #hash: Hash | undefined
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  readonly #view = new DataView(this.#buffer.buffer)
  #length = 0

  /** Adds a name and its length. */
  name(names: Uint8Array, start: number, lengthBytes: number): void {
    this.#reserve(NAME_BYTES)
    this.#view.setUint16(this.#length, lengthBytes, true)
    this.#length += 2
    this.#shortBytes(names, start, lengthBytes)
  }

  /** Adds everything that is stored of an inode, except the content of a directory. */
  inode(index: HashedTables, inode: number): void {
    const kind = index.kind[inode]
    this.#reserve(FIXED_BYTES + NOTHING_MORE_BYTES)
    this.#metadata(
      kind,
      index.mode[inode],
      index.uid[inode],
      index.gid[inode],
      index.mtimeSeconds[inode],
      index.mtimeNanoseconds[inode]
    )
    this.#payload(index, kind, index.payload[inode])
    if (index.attributes[inode] === 0 && index.acl[inode] === 0) {
      this.#reserve(NOTHING_MORE_BYTES)
      this.#u32s(0, ABSENT, ABSENT)
      return
    }
    this.#attributes(index, index.attributes[inode])
    this.#optional(aclAt(index, inode, 'access'))
    this.#optional(aclAt(index, inode, 'default'))
  }

  u32(value: number): void {
    this.#reserve(4)
    this.#u32(value)
  }

  bytes(bytes: Uint8Array): void {
    if (bytes.length > BUFFER_BYTES) {
      this.#flush().update(bytes)
      return
    }
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** The hash of everything since the last call. @returns 32 bytes */
  digest(): Buffer {
    const digest = this.#flush().digest()
    this.#hash = undefined
    return digest
  }

  #payload(index: HashedTables, kind: number, payload: number): void {
    if (kind === Kind.file) {
      this.#view.setFloat64(this.#length, index.contentSize[payload], true)
      const start = payload * HASH_BYTES
      this.#buffer.set(index.contentHash.subarray(start, start + HASH_BYTES), this.#length + 8)
      this.#length += 8 + HASH_BYTES
    } else if (kind === Kind.symlink || kind === Kind.hardlink) this.#addSized(stringAt(index, payload))
    else if (kind === Kind.block || kind === Kind.character) this.#u32(payload)
  }

  #attributes(index: HashedTables, set: number): void {
    const start = set === 0 ? 0 : index.attributeSetStart[set - 1]
    const end = set === 0 ? 0 : index.attributeSetStart[set]
    this.u32(end - start)
    for (let i = start; i < end; i++) {
      this.#addSized(stringAt(index, index.attributeName[i]))
      this.#addSized(stringAt(index, index.attributeValue[i]))
    }
  }

  #optional(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) this.u32(ABSENT)
    else this.#addSized(bytes)
  }

  /** Adds a length, then the bytes. */
  #addSized(bytes: Uint8Array): void {
    this.u32(bytes.length)
    this.bytes(bytes)
  }

  /** Adds the fields that every inode has, in one call because there are many inodes. */
  #metadata(
    kind: number,
    mode: number,
    uid: number,
    gid: number,
    seconds: number,
    nanoseconds: number
  ): void {
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

  #u32s(first: number, second: number, third: number): void {
    const view = this.#view
    const at = this.#length
    view.setUint32(at, first, true)
    view.setUint32(at + 4, second, true)
    view.setUint32(at + 8, third, true)
    this.#length = at + 12
  }

  #u32(value: number): void {
    this.#view.setUint32(this.#length, value, true)
    this.#length += 4
  }

  #shortBytes(from: Uint8Array, start: number, lengthBytes: number): void {
    for (let i = 0; i < lengthBytes; i++) this.#buffer[this.#length + i] = from[start + i]
    this.#length += lengthBytes
  }

  /** Makes room for the next numbers and short byte strings. */
  #reserve(lengthBytes: number): void {
    if (this.#length + lengthBytes > BUFFER_BYTES) this.#flush()
  }

  #flush(): Hash {
    this.#hash ??= createHash('sha256')
    this.#hash.update(this.#buffer.subarray(0, this.#length))
    this.#length = 0
    return this.#hash
  }
}
