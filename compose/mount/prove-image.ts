/**
 * Root mounts no image whose bytes nobody vouches for, because a hostile file system can attack the kernel
 * (spec/erofs.md#trust). An image is mounted if root alone can write to its file, the policies agree, and either a lock
 * of root's or a signed one names its digest, or the stores have its layers and linking them gives these very bytes.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, statfsSync } from 'node:fs'
import { isWritableByOthers } from '../../store/disk/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError, systemWords } from '../../store/values/index.ts'
import { describeImage, type ImageDescription, type OpenImage } from '../inspect/index.ts'
import {
  assertImageTrusted,
  assertModulesNotRefused,
  isProven,
  rangeDigest,
  signerOfLock
} from '../outputs/index.ts'
import { parseLock } from '../stack/index.ts'
import { mountOf } from './mount-table.ts'

/**
 * @param lockFile a lock with the digest of the image
 * @returns what the image says about itself
 * @throws StrataError MOUNT_UNPROVEN, LOCK_MISMATCH, IMAGE_INVALID; as assertTrusted
 */
export async function proveImage(
  store: Repository | undefined,
  image: OpenImage,
  lockFile: string | undefined
): Promise<ImageDescription> {
  const description = described(image)
  assertOfRoot(image.path, image.fd)
  if (lockFile !== undefined && (await assertNamed(image, lockFile)) === 'signed') {
    await assertModulesNotRefused(store, image, 'run')
    return description
  }
  await assertImageTrusted(store, image, 'run')
  if (lockFile === undefined && !(await isProven(store, image, description.lock)))
    throw unproven(
      `no store has all layers of ${image.path}, so nothing proves that it is the image of its lock`,
      '--lock FILE, a lock of root with the digest of the image (compose build writes the digest; compose lock --image); or COMPOSE_PATH names the stores'
    )
  return description
}

/** @throws StrataError IMAGE_INVALID */
export function described(image: OpenImage): ImageDescription {
  const description = describeImage(image)
  if (description !== undefined) return description
  throw new StrataError('IMAGE_INVALID', {
    message: `${image.path} has no /.compose folder, so it does not say whom it is for`,
    facts: { image: image.path },
    hint: 'compose build without --bare'
  })
}

/** FUSE_SUPER_MAGIC, see statfs(2). */
const FUSE = 0x65735546

function assertOfRoot(path: string, fd: number): void {
  const fault = faultOf(fd)
  if (fault === undefined) return
  throw unproven(
    `${path} could be changed after it was checked: ${fault}`,
    `as root: install -m 600 ${path} FILE, on a disk of this host, and name that`
  )
}

/**
 * A program of a user may answer for a FUSE file system, and say of any file that it is root's. The disk that a virtual
 * machine gets from its host (virtiofs) speaks the same protocol, but only root can mount it.
 */
export function isServedByProgram(fd: number, mounted = mountOf(fd)): boolean {
  return statfsSync(`/proc/self/fd/${fd}`).type === FUSE && mounted?.type !== 'virtiofs'
}

function faultOf(fd: number): string | undefined {
  const { uid, mode } = fstatSync(fd)
  if (uid !== 0) return `user ${uid} owns it`
  if (isWritableByOthers(mode)) return 'others than root may write to it'
  return isServedByProgram(fd) ? 'a program serves it through FUSE' : undefined
}

/** Signatures count by the policies of the host and of root alone: a store may be another user's. */
async function assertNamed(image: OpenImage, lockFile: string): Promise<'signed' | 'of root'> {
  const { bytes, fault } = readOnce(lockFile)
  const signer = await signerOfLock(undefined, lockFile, bytes)
  const isSigned = signer !== undefined && signer.principals.length > 0
  if (!isSigned && fault !== undefined)
    throw unproven(
      `${lockFile} could be changed after it was checked: ${fault}`,
      `as root: install -m 600 ${lockFile} FILE, on a disk of this host, and name that; or compose sign ${lockFile}, with a key that the policy of the host lists`
    )
  await assertDigest(image, lockFile, bytes)
  return isSigned ? 'signed' : 'of root'
}

/**
 * For users, who mount for themselves: whoever owns lock and image, these have to fit each other.
 * @throws StrataError MOUNT_UNPROVEN, LOCK_MISMATCH, LOCK_INVALID, IO
 */
export const assertLockNames = (image: OpenImage, lockFile: string): Promise<void> =>
  assertDigest(image, lockFile, readOnce(lockFile).bytes)

async function assertDigest(image: OpenImage, lockFile: string, bytes: Buffer): Promise<void> {
  const { imageDigest } = parseLock(bytes.toString('utf8'), lockFile)
  if (imageDigest === undefined)
    throw unproven(
      `${lockFile} does not name the digest of an image`,
      'compose build IMAGE LOCK, then compose verify'
    )
  const found = await rangeDigest(image)
  if (found === imageDigest) return
  throw new StrataError('LOCK_MISMATCH', {
    message: `${image.path} has sha256:${found}, but ${lockFile} names sha256:${imageDigest}`,
    facts: { image: image.path, lock: lockFile },
    hint: `compose build ${image.path} ${lockFile}`
  })
}

const MOST_LOCK_BYTES = 1 << 26

/** What is checked is what is read, wherever the name leads by then. @returns why it is not root's alone */
function readOnce(file: string): { bytes: Buffer; fault: string | undefined } {
  let fd: number
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw new StrataError('IO', { message: `${file} cannot be read: ${systemWords(cause as Error)}`, cause })
  }
  try {
    const status = fstatSync(fd)
    if (!status.isFile() || status.size > MOST_LOCK_BYTES)
      throw unproven(`${file} is not a lock`, '--lock FILE, a lock with the digest of the image')
    return { fault: faultOf(fd), bytes: readFileSync(fd) }
  } finally {
    closeSync(fd)
  }
}

const unproven = (message: string, hint: string): StrataError =>
  new StrataError('MOUNT_UNPROVEN', { message, hint })
