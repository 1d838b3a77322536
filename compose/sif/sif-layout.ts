/**
 * Header and descriptors of a SIF file around a SquashFS image (spec/sif.md#written). The partition comes first, at a
 * place that depends on nothing, so that its blocks can be copied before the texts beside it are known.
 */
import {
  architectureCode,
  DATA_START,
  DESCRIPTOR_BYTES,
  DESCRIPTORS,
  FIELD,
  FIRST_GROUP,
  HEADER,
  MAGIC,
  MAGIC_OFFSET,
  METADATA_NAME,
  NAME_BYTES,
  NO_TIME,
  PRIMARY_SYSTEM,
  SIF_HEADER_BYTES,
  SIF_TYPE,
  SQUASHFS,
  TABLE_START,
  VERSION
} from './format-numbers.ts'

/** The first multiple of 4096 behind the descriptors: file systems share whole pages. */
export const PARTITION_START = 32_768

/** Makes the file a program, where run-singularity is installed. */
const START_LINE = '#!/usr/bin/env run-singularity\n'

export interface SifContents {
  /** Bytes of the SquashFS image. */
  imageBytes: number
  /** Go's name; undefined for a tree without programs. */
  architecture?: string
  /** Text of the definition; undefined for an image that has none. */
  definition?: string
  /** Text of `inspect-metadata.json`. */
  metadata: string
}

/** What stands before the image, and what stands behind it. */
export interface SifFrame {
  head: Buffer
  tail: Buffer
}

interface Placed {
  type: number
  name: string
  start: number
  lengthBytes: number
  extra?: Buffer
}

export function encodeSif({ imageBytes, architecture, definition, metadata }: SifContents): SifFrame {
  const texts = [
    ...(definition === undefined
      ? []
      : [{ type: SIF_TYPE.definition, name: 'Definition', text: definition }]),
    { type: SIF_TYPE.json, name: METADATA_NAME, text: metadata }
  ].map(({ text, ...rest }) => ({ ...rest, bytes: Buffer.from(text) }))
  const objects: Placed[] = [
    {
      ...{ type: SIF_TYPE.partition, name: 'system', start: PARTITION_START, lengthBytes: imageBytes },
      extra: partitionFields(architecture)
    }
  ]
  let end = PARTITION_START + imageBytes
  for (const { bytes, ...rest } of texts) {
    objects.push({ ...rest, start: end, lengthBytes: bytes.length })
    end += bytes.length
  }
  const head = Buffer.alloc(PARTITION_START)
  encodeHeader(objects.length, end, architecture).copy(head)
  objects.forEach((object, i) => {
    const padding = object.start - (i === 0 ? DATA_START : objects[i - 1].start + objects[i - 1].lengthBytes)
    encodeDescriptor(i + 1, { ...object, padding }).copy(head, TABLE_START + i * DESCRIPTOR_BYTES)
  })
  return { head, tail: Buffer.concat(texts.map(({ bytes }) => bytes)) }
}

/** @param end of the last object in the file */
function encodeHeader(used: number, end: number, architecture: string | undefined): Buffer {
  const header = Buffer.alloc(SIF_HEADER_BYTES)
  header.write(START_LINE, 0, 'latin1')
  header.write(MAGIC, MAGIC_OFFSET, 'latin1')
  header.write(VERSION, MAGIC_OFFSET + MAGIC.length, 'latin1')
  header.write(architectureCode(architecture), HEADER.architecture, 'latin1')
  header.writeBigInt64LE(NO_TIME, HEADER.created)
  header.writeBigInt64LE(NO_TIME, HEADER.created + 8)
  const numbers = [
    ...[DESCRIPTORS - used, DESCRIPTORS, TABLE_START, DESCRIPTORS * DESCRIPTOR_BYTES],
    ...[DATA_START, end - DATA_START]
  ]
  for (const [i, value] of numbers.entries()) header.writeBigInt64LE(BigInt(value), HEADER.free + 8 * i)
  return header
}

export interface EncodedObject extends Placed {
  /** Bytes between the object before it and its start. */
  padding: number
  group?: number
  link?: number
}

/** @param id unique in the file; usually one more than the place in the table */
export function encodeDescriptor(id: number, object: EncodedObject): Buffer {
  const bytes = Buffer.alloc(DESCRIPTOR_BYTES)
  bytes.writeInt32LE(object.type, FIELD.type)
  bytes[FIELD.used] = 1
  bytes.writeUInt32LE(id, FIELD.id)
  bytes.writeUInt32LE(object.group ?? FIRST_GROUP, FIELD.group)
  bytes.writeUInt32LE(object.link ?? 0, FIELD.link)
  bytes.writeBigInt64LE(BigInt(object.start), FIELD.start)
  bytes.writeBigInt64LE(BigInt(object.lengthBytes), FIELD.length)
  bytes.writeBigInt64LE(BigInt(object.lengthBytes + object.padding), FIELD.padded)
  bytes.writeBigInt64LE(NO_TIME, FIELD.created)
  bytes.writeBigInt64LE(NO_TIME, FIELD.created + 8)
  bytes.write(object.name, FIELD.name, NAME_BYTES, 'latin1')
  object.extra?.copy(bytes, FIELD.extra)
  return bytes
}

function partitionFields(architecture: string | undefined): Buffer {
  const fields = Buffer.alloc(11)
  fields.writeInt32LE(SQUASHFS, 0)
  fields.writeInt32LE(PRIMARY_SYSTEM, 4)
  fields.write(architectureCode(architecture), 8, 'latin1')
  return fields
}
