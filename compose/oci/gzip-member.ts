/** Wraps packed bytes as gzip members (RFC 1952). A stream may consist of several members. */

/** No name, no time, unknown operating system: the same bytes on every machine. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])
const ZLIB_HEADER_BYTES = 2
const ZLIB_TRAILER_BYTES = 4
/** RFC 1951, 3.2.4: length of a stored block. */
const MAX_STORED_BYTES = 0xffff

/** @param zlib a whole zlib stream (RFC 1950) of `rawBytes` */
export const memberOfZlib = (zlib: Uint8Array, rawBytes: Uint8Array): Buffer =>
  member(zlib.subarray(ZLIB_HEADER_BYTES, zlib.length - ZLIB_TRAILER_BYTES), rawBytes)

/** Stored blocks, for bytes that packing does not shorten. */
export function storedMember(rawBytes: Uint8Array): Buffer {
  const blocks: Uint8Array[] = []
  for (let at = 0; at === 0 || at < rawBytes.length; at += MAX_STORED_BYTES) {
    const part = rawBytes.subarray(at, at + MAX_STORED_BYTES)
    const head = Buffer.alloc(5)
    head[0] = at + MAX_STORED_BYTES >= rawBytes.length ? 1 : 0
    head.writeUInt16LE(part.length, 1)
    head.writeUInt16LE(~part.length & 0xffff, 3)
    blocks.push(head, part)
  }
  return member(Buffer.concat(blocks), rawBytes)
}

function member(deflated: Uint8Array, rawBytes: Uint8Array): Buffer {
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(crc32(rawBytes), 0)
  trailer.writeUInt32LE(rawBytes.length >>> 0, 4)
  return Buffer.concat([HEADER, deflated, trailer])
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

// node:zlib has crc32 from Node 20.15 on only.
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ bytes[i]) & 0xff]
  return (crc ^ 0xffffffff) >>> 0
}
