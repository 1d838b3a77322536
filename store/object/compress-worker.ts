import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { packBlock } from './block-codec.ts'
import type { PackReply, PackRequest } from './compress-pool.ts'

let room = new Uint8Array(0)

parentPort?.on('message', ({ buffer, lengthBytes, packing, isHashed }: PackRequest) => {
  const raw = new Uint8Array(buffer, 0, lengthBytes)
  // Here and not on the main thread, which hashes the tarball and its files meanwhile: handing a block to a worker
  // takes 8 us, hashing it 85 us (128 KiB, AMD EPYC).
  const hash = isHashed ? createHash('sha256').update(raw).digest() : undefined
  if (room.length < 2 * lengthBytes + 1024) room = new Uint8Array(2 * lengthBytes + 1024)
  const stored = packBlock(raw, room, packing)
  // The packed bytes are fewer than the raw ones, so they are returned in the same buffer.
  if (stored < lengthBytes) raw.set(room.subarray(0, stored))
  const reply: PackReply = { buffer, stored, hash }
  parentPort?.postMessage(reply, [buffer])
})
