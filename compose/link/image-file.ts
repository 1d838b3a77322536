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
import { dirname } from 'node:path'
import { assertReplaceable, siblingPath } from '../../store/disk/index.ts'
import { IMAGE_ALIGNMENT } from '../squashfs/index.ts'

/**
 * An image that is being written. Until it is complete it has a temporary name beside its target and is readable only
 * by its owner. Its first page stays empty to the end, so that an incomplete file is never taken for an image.
 */
export class ImageFile {
  readonly fd: number
  /** Where the image begins: 0, or behind the room for a header that the caller writes. */
  readonly startInFile: number
  readonly #target: string
  readonly #temporary: string
  #isOpen = true
  /** Size of the image, without what lies around it; known after `seal`. */
  sizeBytes = 0

  /** @throws StrataError OUTPUT_EXISTS; errors of node:fs, as all methods do */
  constructor(target: string, startInFile = 0) {
    this.startInFile = startInFile
    assertReplaceable(target)
    this.#target = target
    this.#temporary = siblingPath(target)
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
    this.fd = openSync(this.#temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
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
    renameSync(this.#temporary, this.#target)
    this.#close()
    if (sync) syncDirectory(dirname(this.#target))
  }

  /** Removes the temporary file. After `seal` it does nothing. */
  discard(): void {
    if (!this.#isOpen) return
    this.#close()
    unlinkSync(this.#temporary)
  }

  #close(): void {
    this.#isOpen = false
    closeSync(this.fd)
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
