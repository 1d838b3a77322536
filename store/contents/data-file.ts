/** Opens and checks the data file of a tarball: its part list, and the parts (spec/store-layout.md#data). */
import { createHash } from 'node:crypto'
import { closeSync, fstatSync } from 'node:fs'
import { openStoreFileIfThere, type StorePath, storeFolder } from '../files/index.ts'
import { type Belief, decodePartList, type Part, type PartList } from '../object/index.ts'
import { StrataError } from '../values/index.ts'
import { type CheckedFile, checkedParts, fileIdentity, writeNote } from './data-identity.ts'
import { checkPart, DataParts, openPart } from './data-parts.ts'

/** Bytes that a data file should have. */
export interface WantedData {
  /** Undefined if only the hash is known, as from a recipe. */
  dataBytes?: number
  dataSha256: Buffer
}

const PIECE_BYTES = 1 << 20

export class DataFile {
  readonly storeRoot: string
  /** Of the part list. */
  readonly path: StorePath
  readonly list: PartList
  readonly parts: DataParts
  /** Of the list: the file whose bytes were read. */
  readonly #identity: string
  #isChecked = false

  private constructor(storeRoot: string, path: StorePath, identity: string, list: PartList, belief: Belief) {
    const { parts, dataBytes } = list
    this.storeRoot = storeRoot
    this.path = path
    this.list = list
    this.parts = new DataParts({ storeRoot, parts: parts.map(part => ({ ...part })), dataBytes, belief })
    this.#identity = identity
  }

  /**
   * @param path of the part list
   * @returns undefined if it does not exist
   * @throws StrataError OBJECT_CORRUPT; as openStoreFile
   */
  static async openIfThere(
    storeRoot: string,
    path: StorePath,
    belief: Belief = 'notes'
  ): Promise<DataFile | undefined> {
    const file = await openStoreFileIfThere(storeRoot, path)
    if (file === undefined) return undefined
    try {
      const identity = fileIdentity(file.fd)
      return new DataFile(storeRoot, path, identity, decodePartList(await file.readFile()), belief)
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      throw corruptData(storeFolder(storeRoot).displayPath(path), `is damaged: ${cause.message}`, cause)
    } finally {
      await file.close()
    }
  }

  /** Of the part list, for messages. */
  get shownPath(): string {
    return storeFolder(this.storeRoot).displayPath(this.path)
  }

  /**
   * Checks that the data file has this hash. Its bytes are hashed only if the list is not the file that was checked
   * last; parts are checked when they are opened.
   * @throws StrataError OBJECT_CORRUPT
   */
  async check(wanted: WantedData): Promise<void> {
    const { list, parts } = this
    this.#assertList(wanted)
    const noted = checkedParts(this.storeRoot, this.path, this.#checkedList(), list.parts.length)
    if (noted === undefined) await this.#hashAndNote()
    else
      noted.forEach((identity, part) => {
        parts.place.parts[part].identity = identity
      })
    this.#isChecked = true
  }

  /**
   * Hashes all bytes, whatever was noted before.
   * @param onBytes called with the number of bytes that were just read
   * @throws StrataError OBJECT_CORRUPT that names the list or a part
   */
  async verify(wanted: WantedData, onBytes: (bytes: number) => void = () => {}): Promise<void> {
    this.#assertList(wanted)
    const { lengthBytes } = this.parts
    const hash = createHash('sha256')
    const room = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(1, lengthBytes)))
    for (let at = 0; at < lengthBytes; at += room.length) {
      const piece = room.subarray(0, Math.min(room.length, lengthBytes - at))
      this.parts.read(at, piece)
      hash.update(piece)
      onBytes(piece.length)
    }
    const found = hash.digest()
    if (!found.equals(wanted.dataSha256))
      throw corruptData(
        this.shownPath,
        `hashes to sha256:${found.toString('hex')}, wanted ${wanted.dataSha256.toString('hex')}`
      )
  }

  /**
   * Notes a data file that this user has just written or compared. Only parts of other users are hashed again, because
   * these may have exchanged them since.
   * @throws StrataError OBJECT_CORRUPT
   */
  async noteAsWritten(wanted: WantedData): Promise<void> {
    this.#assertList(wanted)
    const me = process.geteuid!()
    for (const part of this.parts.place.parts) {
      const { fd, identity } = openPart(this.storeRoot, part, 'all')
      try {
        if (fstatSync(fd).uid !== me) checkPart(fd, part, this.shownPath)
      } finally {
        closeSync(fd)
      }
      part.identity = identity
    }
    await this.#note()
  }

  /** Notes the parts that were checked meanwhile. */
  async close(): Promise<void> {
    try {
      if (this.#isChecked && this.parts.isRenewed) await this.#note()
    } finally {
      this.parts.close()
    }
  }

  #assertList({ dataBytes, dataSha256 }: WantedData): void {
    const { list } = this
    if (dataBytes !== undefined && list.dataBytes !== dataBytes)
      throw corruptData(this.shownPath, `has ${list.dataBytes} bytes, wanted ${dataBytes}`)
    if (list.dataSha256.equals(dataSha256)) return
    const [is, wanted] = [list.dataSha256, dataSha256].map(digest => digest.toString('hex'))
    throw corruptData(this.shownPath, `hashes to sha256:${is}, wanted ${wanted}`)
  }

  #checkedList = (): CheckedFile => ({
    identity: this.#identity,
    sha256: this.list.dataSha256.toString('hex')
  })

  async #hashAndNote(): Promise<void> {
    await this.verify(this.list)
    await this.#note()
  }

  /** Notes nothing about parts that were not opened: their identities are not known. */
  async #note(): Promise<void> {
    const { parts } = this.parts.place
    const checked = parts.flatMap(({ identity, sha256 }) =>
      identity === undefined ? [] : [{ identity, sha256 }]
    )
    if (checked.length < parts.length) return
    await writeNote(this.storeRoot, this.path, this.#checkedList(), checked)
    this.parts.isRenewed = false
  }
}

const corruptData = (path: string, fault: string, cause?: unknown): StrataError =>
  new StrataError('OBJECT_CORRUPT', {
    message: `data file ${path} ${fault}`,
    facts: { file: path },
    hint: 'compose fsck --repair',
    cause
  })

/** The parts that a part list names; none if it is gone by now. @throws as DataFile.openIfThere */
export async function listedParts(storeRoot: string, path: StorePath): Promise<Part[]> {
  const data = await DataFile.openIfThere(storeRoot, path)
  await data?.close()
  return data?.list.parts ?? []
}
