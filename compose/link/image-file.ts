import {
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync
} from 'node:fs'
import { assertReplaceable, OutputFolder, siblingPath } from '../../store/disk/index.ts'
import { IMAGE_ALIGNMENT } from '../squashfs/index.ts'

/**
 * An image that is being written. Until it is complete it has a temporary name beside its target and is readable only
 * by its owner. Its first page stays empty to the end, so that an incomplete file is never taken for an image.
 */
export class ImageFile {
  readonly fd: number
  /** Where the image begins: 0, or behind the room for a header that the caller writes. */
  readonly startInFile: number
  readonly #folder: OutputFolder
  readonly #temporary: string
  #isOpen = true
  /** Size of the image, without what lies around it; known after `seal`. */
  sizeBytes = 0

  /** @throws StrataError OUTPUT_EXISTS; errors of node:fs, as all methods do */
  constructor(target: string, startInFile = 0) {
    this.startInFile = startInFile
    assertReplaceable(target)
    this.#folder = new OutputFolder(target)
    try {
      this.#temporary = siblingPath(this.#folder.target)
      const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
      this.fd = openSync(this.#temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    } catch (error) {
      this.#folder.close()
      throw error
    }
  }

  /** Writes all bytes at a position of the image. A single system call may write fewer. */
  write(bytes: Uint8Array, positionInImage: number): void {
    const position = this.startInFile + positionInImage
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.fd, bytes, done, bytes.length - done, position + done)
  }

  /**
   * Gives the image its superblock, its access and its name.
   * @param bytesUsed the image is padded from here
   * @param sync wait until the file is on the disk
   * @param admit gets the image's size; writes what lies around it, if anything, and sets mode and ACL of the finished
   * file, which still has its temporary name
   */
  async seal(
    superblock: Buffer,
    bytesUsed: number,
    sync: boolean,
    admit: (fd: number, sizeBytes: number) => void | Promise<void>
  ): Promise<void> {
    this.sizeBytes = Math.ceil(bytesUsed / IMAGE_ALIGNMENT) * IMAGE_ALIGNMENT
    ftruncateSync(this.fd, this.startInFile + this.sizeBytes)
    if (sync) fsyncSync(this.fd)
    this.write(superblock, 0)
    await admit(this.fd, this.sizeBytes)
    if (sync) fsyncSync(this.fd)
    renameSync(this.#temporary, this.#folder.target)
    try {
      if (sync) await this.#folder.sync()
    } finally {
      this.#close()
    }
  }

  /** Removes the temporary file. After `seal` it does nothing. */
  discard(): void {
    if (!this.#isOpen) return
    try {
      unlinkSync(this.#temporary)
    } finally {
      this.#close()
    }
  }

  #close(): void {
    this.#isOpen = false
    closeSync(this.fd)
    this.#folder.close()
  }
}
