import { createHash } from 'node:crypto'
import type { Oddity } from '../../store/tar/oddities.ts'
import { TarParser } from '../../store/tar/parser.ts'
import type { TarEntry, TarSink } from '../../store/tar/tar-entry.ts'
import { DEFAULT_LIMITS, type Limits } from '../../store/values/limits.ts'

/** One member as the parser told of it, with its stored bytes. */
export interface ReadMember extends TarEntry {
  stored: Buffer
}

export interface ReadTar {
  members: ReadMember[]
  /** Literal bytes and data joined in the order they came. */
  rebuilt: Buffer
  /** All calls, neighbouring runs of bytes joined, so that only the chunking is forgotten. */
  events: string[]
  ignoredKeys: Map<string, number>
  oddities: Oddity[]
}

export interface ReadOptions {
  chunkBytes?: number
  limits?: Partial<Limits>
  endsAtMarker?: boolean
}

/** Parse a whole archive; every chunk is wiped after its call, as a reused read buffer would be. */
export function readTar(
  archive: Uint8Array,
  { chunkBytes = 65_536, limits = {}, endsAtMarker }: ReadOptions = {}
): ReadTar {
  const members: ReadMember[] = []
  const pieces: Buffer[] = []
  const events: { what: string; bytes?: Buffer[] }[] = []
  const keep = (what: string, bytes: Uint8Array) => {
    const copy = Buffer.from(bytes)
    pieces.push(copy)
    const last = events.at(-1)
    if (last?.what === what) last.bytes!.push(copy)
    else events.push({ what, bytes: [copy] })
    return copy
  }
  const sink: TarSink = {
    literal: bytes => void keep('literal', bytes),
    entry: entry => {
      members.push({ ...entry, stored: Buffer.alloc(0) })
      events.push({ what: `entry ${describe(entry)}` })
    },
    data: bytes => {
      const member = members.at(-1)!
      member.stored = Buffer.concat([member.stored, keep('data', bytes)])
    },
    endEntry: () => events.push({ what: 'end' })
  }
  const parser = new TarParser(sink, {
    archive: 'test.tar',
    limits: { ...DEFAULT_LIMITS, ...limits },
    endsAtMarker
  })
  for (let at = 0; at < archive.length; at += chunkBytes) {
    const chunk = Buffer.from(archive.subarray(at, at + chunkBytes))
    parser.write(chunk)
    chunk.fill(0xa5)
  }
  parser.end()
  return {
    members,
    rebuilt: Buffer.concat(pieces),
    events: events.map(({ what, bytes }) => (bytes ? `${what} ${sha256(Buffer.concat(bytes))}` : what)),
    ignoredKeys: parser.oddities.ignoredKeys,
    oddities: parser.oddities.found
  }
}

const describe = (entry: TarEntry): string =>
  JSON.stringify({ ...entry, attributes: [...entry.attributes].map(([name, value]) => [name, [...value]]) })

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** A file's bytes with the holes of a sparse one filled in. */
export function logicalBytes({ sizeBytes, runs, stored }: ReadMember): Buffer {
  if (runs === undefined) return stored
  const bytes = Buffer.alloc(sizeBytes)
  let at = 0
  for (const { offset, lengthBytes } of runs) {
    stored.copy(bytes, offset, at, at + lengthBytes)
    at += lengthBytes
  }
  return bytes
}
