/** Packs blocks for compress-pool.ts, which says what the messages mean. */
import { createHash } from 'node:crypto'
import { parentPort, receiveMessageOnPort } from 'node:worker_threads'
import { packBlock } from './block-codec.ts'
import type { PackRequest, WorkerReply, WorkerRequest } from './compress-pool.ts'
import { type BlockPlace, type Rooms, readKnownBlock } from './known-block.ts'

const port = parentPort!
let rooms: Rooms = { stored: new Uint8Array(0), unpacked: new Uint8Array(0) }

interface HashedRequest extends PackRequest {
  hash: Uint8Array<ArrayBuffer>
}

/** Blocks that are being kept up. */
const kept = new Map<number, HashedRequest>()
const ready: Exclude<WorkerRequest, { do: 'hash' }>[] = []

port.on('message', (request: WorkerRequest) => {
  accept(request)
  for (;;) {
    // All that arrived meanwhile is hashed before the next block is packed, so that its look-up goes on beside it.
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      accept(next.message as WorkerRequest)
    const first = ready.shift()
    if (first === undefined) return
    perform(first)
  }
})

function accept(request: WorkerRequest): void {
  if (request.do !== 'hash') {
    ready.push(request)
    return
  }
  const { id, block } = request
  const hash = hashOf(block)
  kept.set(id, { ...block, hash })
  reply({ id, hash })
}

function perform(request: Exclude<WorkerRequest, { do: 'hash' }>): void {
  const { id } = request
  if (request.do === 'pack') {
    const { block, isHashed } = request
    // Here and not on the main thread, which hashes the tarball and its files meanwhile: handing a block to a worker
    // takes 8 us, hashing it 85 us (128 KiB, AMD EPYC).
    pack(id, block, isHashed ? hashOf(block) : undefined)
    return
  }
  const { hash, ...block } = kept.get(id)!
  kept.delete(id)
  if (request.place === undefined || !copyKnown(id, block, hash, request.place)) pack(id, block, hash)
}

const hashOf = (block: PackRequest): Uint8Array<ArrayBuffer> =>
  createHash('sha256').update(rawBytesOf(block)).digest()

const rawBytesOf = ({ buffer, lengthBytes }: PackRequest): Uint8Array =>
  new Uint8Array(buffer, 0, lengthBytes)

function pack(id: number, block: PackRequest, hash: Uint8Array<ArrayBuffer> | undefined): void {
  const raw = rawBytesOf(block)
  const room = roomsFor(raw.length).unpacked
  const stored = packBlock(raw, room, block.packing)
  // The packed bytes are fewer than the raw ones, so they are returned in the same buffer.
  if (stored < raw.length) raw.set(room.subarray(0, stored))
  reply({ id, packed: { buffer: block.buffer, stored, isKnown: false }, hash }, [block.buffer])
}

/** @returns false if what lies at the place is not the packed form of the block */
function copyKnown(
  id: number,
  block: PackRequest,
  hash: Uint8Array<ArrayBuffer>,
  place: BlockPlace
): boolean {
  const raw = rawBytesOf(block)
  const bytes = readKnownBlock(raw, place, block.packing, roomsFor(raw.length))
  if (bytes === undefined) return false
  raw.set(bytes)
  reply({ id, packed: { buffer: block.buffer, stored: place.stored, isKnown: true }, hash }, [block.buffer])
  return true
}

function roomsFor(lengthBytes: number): Rooms {
  if (rooms.stored.length < lengthBytes)
    rooms = { stored: new Uint8Array(lengthBytes), unpacked: new Uint8Array(2 * lengthBytes + 1024) }
  return rooms
}

const reply = (message: WorkerReply, moved: ArrayBuffer[] = []): void => port.postMessage(message, moved)
