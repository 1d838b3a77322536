/** Reads header and descriptors of a SIF file of any program (spec/sif.md#read). Every number is checked. */
import type { OpenFile } from '../../store/disk/index.ts'
import { StrataError } from '../../store/values/index.ts'
import {
  DESCRIPTOR_BYTES,
  FIELD,
  HEADER,
  MAGIC,
  MAGIC_OFFSET,
  METADATA_NAME,
  PRIMARY_SYSTEM,
  SIF_HEADER_BYTES,
  SIF_TYPE,
  SQUASHFS,
  VERSION
} from './format-numbers.ts'

/** siftool makes room for 48; more than this is not plausible. */
const MOST_DESCRIPTORS = 65_536
/** Limit for a definition or labels. */
const LARGEST_TEXT_BYTES = 1 << 24

const FILE_SYSTEM = new Map([
  [1, 'SquashFS'],
  [2, 'ext3'],
  [3, 'an archive of immutable objects'],
  [4, 'raw data'],
  [5, 'encrypted SquashFS']
])

export interface SifDescriptor {
  /** Place in the table, from 0. */
  index: number
  /** As they stand in the table. */
  bytes: Buffer
  type: number
  id: number
  /** Objects of one image in the file have one. */
  group: number
  name: string
  startInFile: number
  lengthBytes: number
  /** File system of a partition. */
  fileSystem: number
  partitionType: number
}

/** @param start the first {@link SIF_HEADER_BYTES} of a file */
export const isSif = (start: Buffer): boolean =>
  start.toString('latin1', MAGIC_OFFSET, MAGIC_OFFSET + MAGIC.length) === MAGIC

export interface SifFile {
  /** The SquashFS image of the operating system. */
  system: SifDescriptor
  /** All objects that are in use, in the order of the table. */
  objects: SifDescriptor[]
  /** Where the descriptors start, and how many there is room for. */
  table: { start: number; count: number }
  recipe?: string
  labels?: string
}

/** @param path for messages. @throws StrataError IMAGE_INVALID naming the part of the file */
export const readSif = (file: OpenFile, path: string, sizeBytes: number): Promise<SifFile> =>
  new SifReader(path, file, sizeBytes).read()

class SifReader {
  readonly #path: string
  readonly #file: OpenFile
  readonly #sizeBytes: number

  constructor(path: string, file: OpenFile, sizeBytes: number) {
    this.#path = path
    this.#file = file
    this.#sizeBytes = sizeBytes
  }

  async read(): Promise<SifFile> {
    const { descriptors, table } = await this.#descriptors()
    const system = this.#system(descriptors)
    // The object in the group of the system partition counts, if there are several.
    const ofType = (type: number) => {
      const found = descriptors.filter(descriptor => descriptor.type === type)
      return found.find(({ group }) => group === system.group) ?? found[0]
    }
    const text = async (type: number) => {
      const found = ofType(type)
      return found && (await this.#text(found))
    }
    return {
      system,
      objects: descriptors,
      table,
      recipe: (await text(SIF_TYPE.definition)) ?? (await this.#definitionInMetadata(descriptors)),
      labels: await text(SIF_TYPE.labels)
    }
  }

  /** The definition also stands in the object from which `apptainer inspect` reads. */
  async #definitionInMetadata(descriptors: SifDescriptor[]): Promise<string | undefined> {
    const found = descriptors.find(({ type, name }) => type === SIF_TYPE.json && name === METADATA_NAME)
    return found && definitionOf(await this.#text(found))
  }

  async #descriptors(): Promise<{ descriptors: SifDescriptor[]; table: SifFile['table'] }> {
    const header = await this.#bytes('SIF header', 0, SIF_HEADER_BYTES)
    if (!isSif(header)) this.#refuse('SIF header', MAGIC_OFFSET, 'no SIF_MAGIC')
    const version = header.toString('latin1', MAGIC_OFFSET + MAGIC.length, MAGIC_OFFSET + MAGIC.length + 2)
    if (version !== VERSION)
      this.#refuse('SIF header', 42, `version "${printable(version)}", wanted "${VERSION}"`)
    const total = this.#number(header, HEADER.total, 'SIF header', HEADER.total, 'number of descriptors')
    if (total < 1 || total > MOST_DESCRIPTORS)
      this.#refuse('SIF header', HEADER.total, `${total} descriptors, wanted 1 to ${MOST_DESCRIPTORS}`)
    const start = this.#number(header, HEADER.table, 'SIF header', HEADER.table, 'start of the descriptors')
    if (start < SIF_HEADER_BYTES)
      this.#refuse('SIF header', HEADER.table, `descriptors at ${start} lie in the header`)
    const table = await this.#bytes('SIF descriptors', start, total * DESCRIPTOR_BYTES)
    const found: SifDescriptor[] = []
    for (let index = 0; index < total; index++) {
      const at = index * DESCRIPTOR_BYTES
      const used = table[at + FIELD.used]
      if (used > 1)
        this.#refuse(`SIF descriptor ${index}`, start + at + FIELD.used, `"used" is ${used}, wanted 0 or 1`)
      if (used === 1)
        found.push(this.#descriptor(index, table.subarray(at, at + DESCRIPTOR_BYTES), start + at))
    }
    this.#refuseOverlaps(found, start, start + table.length)
    return { descriptors: found, table: { start, count: total } }
  }

  /** What lies in two objects, or in an object and the table, would be checked as one thing and used as another. */
  #refuseOverlaps(found: SifDescriptor[], tableStart: number, tableEnd: number): void {
    const ids = new Set<number>()
    const own = [
      { what: 'the header', startInFile: 0, end: SIF_HEADER_BYTES },
      { what: 'the descriptors', startInFile: tableStart, end: tableEnd }
    ]
    const places = found.map(({ index, id, startInFile, lengthBytes }) => {
      if (ids.has(id))
        this.#refuse(`SIF descriptor ${index}`, startInFile, `id ${id} is that of another object`)
      ids.add(id)
      return { what: `object ${id}`, startInFile, end: startInFile + lengthBytes }
    })
    const all = [...own, ...places].filter(({ startInFile, end }) => end > startInFile)
    all.sort((a, b) => a.startInFile - b.startInFile)
    for (let i = 1; i < all.length; i++)
      if (all[i].startInFile < all[i - 1].end)
        this.#refuse('SIF descriptors', all[i].startInFile, `${all[i].what} begins in ${all[i - 1].what}`)
  }

  /** @param position of its first byte in the file */
  #descriptor(index: number, bytes: Buffer, position: number): SifDescriptor {
    const what = `SIF descriptor ${index}`
    const startInFile = this.#number(bytes, FIELD.start, what, position + FIELD.start, 'start of the data')
    const lengthBytes = this.#number(bytes, FIELD.length, what, position + FIELD.length, 'size of the data')
    if (startInFile + lengthBytes > this.#sizeBytes)
      this.#refuse(
        what,
        position + FIELD.start,
        `data from byte ${startInFile} to ${startInFile + lengthBytes}, but the file ends at ${this.#sizeBytes}`
      )
    return {
      index,
      bytes,
      type: bytes.readInt32LE(FIELD.type),
      id: bytes.readUInt32LE(FIELD.id),
      group: bytes.readUInt32LE(FIELD.group),
      name: bytes.toString('latin1', FIELD.name, FIELD.extra).split('\0', 1)[0],
      startInFile,
      lengthBytes,
      fileSystem: bytes.readInt32LE(FIELD.extra),
      partitionType: bytes.readInt32LE(FIELD.extra + 4)
    }
  }

  #system(descriptors: SifDescriptor[]): SifDescriptor {
    const primary = descriptors.filter(
      ({ type, partitionType }) => type === SIF_TYPE.partition && partitionType === PRIMARY_SYSTEM
    )
    if (primary.length === 0) throw this.#noSystem(descriptors)
    if (primary.length > 1)
      this.#refuse('SIF descriptors', 0, `${primary.length} primary system partitions, wanted one`)
    const [system] = primary
    if (system.fileSystem === SQUASHFS) return system
    const found = FILE_SYSTEM.get(system.fileSystem) ?? `file system ${system.fileSystem}`
    throw new StrataError('IMAGE_INVALID', {
      message: `${this.#path}: the system partition (descriptor ${system.index}) holds ${found}, wanted SquashFS`,
      facts: { image: this.#path, descriptor: system.index },
      hint:
        system.fileSystem === 5
          ? 'decrypt it where its key is: apptainer build --sandbox DIR IMAGE, then compose import MODULE DIR'
          : 'apptainer build --sandbox DIR IMAGE, then compose import MODULE DIR'
    })
  }

  #noSystem(descriptors: SifDescriptor[]): StrataError {
    const isOci = descriptors.some(({ type }) => type === SIF_TYPE.ociRoot)
    return new StrataError('IMAGE_INVALID', {
      message: `${this.#path} has no primary system partition${isOci ? ': it holds an OCI image' : ''}`,
      facts: { image: this.#path, descriptors: descriptors.length },
      hint: isOci ? 'singularity pull (without --oci, makes a SIF file with a SquashFS image)' : undefined
    })
  }

  async #text({ index, startInFile, lengthBytes }: SifDescriptor): Promise<string> {
    const what = `data of SIF descriptor ${index}`
    if (lengthBytes > LARGEST_TEXT_BYTES)
      this.#refuse(what, startInFile, `${lengthBytes} bytes of text, wanted at most ${LARGEST_TEXT_BYTES}`)
    const bytes = await this.#bytes(what, startInFile, lengthBytes)
    const end = bytes.indexOf(0)
    return bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
  }

  #number(bytes: Buffer, offset: number, what: string, position: number, meaning: string): number {
    const value = bytes.readBigInt64LE(offset)
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER))
      this.#refuse(what, position, `${meaning} is ${value}`)
    return Number(value)
  }

  async #bytes(what: string, position: number, lengthBytes: number): Promise<Buffer> {
    const bytes = Buffer.alloc(lengthBytes)
    const { bytesRead } = await this.#file.read(bytes, 0, lengthBytes, position)
    if (bytesRead < lengthBytes)
      this.#refuse(
        what,
        position,
        `${lengthBytes} bytes wanted, but the file ends at byte ${this.#sizeBytes}`
      )
    return bytes
  }

  #refuse(what: string, position: number, fault: string): never {
    throw new StrataError('IMAGE_INVALID', {
      message: `${this.#path}: ${what} at 0x${position.toString(16)}: ${fault}`,
      facts: { image: this.#path, structure: what, byte: position }
    })
  }
}

/** `data.attributes.deffile`. */
function definitionOf(text: string): string | undefined {
  try {
    const definition: unknown = JSON.parse(text)?.data?.attributes?.deffile
    return typeof definition === 'string' ? definition : undefined
  } catch {
    return undefined // not JSON
  }
}

const printable = (text: string): string => text.replace(/[^ -~]/g, '?')
