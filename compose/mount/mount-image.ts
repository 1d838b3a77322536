/** `compose mount`: an image as a folder (spec/erofs.md). Root's kernel enforces the ACLs; a user gets FUSE. */
import { resolve } from 'node:path'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { parseAudience, type Restriction, restrictionsOf } from '../audience/index.ts'
import { type ImageDescription, type OpenImage, openImage } from '../inspect/index.ts'
import { assertImageTrusted, modulesBehind } from '../outputs/index.ts'
import { mountByFuse } from './by-fuse.ts'
import { mountByKernel } from './by-kernel.ts'
import { limitRootTo } from './limit-root.ts'
import { metadataOfImage } from './metadata-of-image.ts'
import { checkTarget } from './mount-target.ts'
import { assertLockNames, described, proveImage } from './prove-image.ts'

export interface MountOptions {
  /** Whose layers prove an image, and whose signatures count. */
  store?: Repository
  /** A lock with the digest of the image. */
  lock?: string
  /** The image was built by this process, or by an earlier one for root alone. */
  isOwn: boolean
  isExecutable: boolean
  /** As in KernelMount, for tests. */
  without?: string[]
}

export interface MountReport {
  image: string
  directory: string
  how: 'kernel' | 'fuse'
  /** True if the kernel enforces the ACLs. */
  enforced: boolean
  /** The program, or the forms that the kernel took. */
  form: string
  /** Inodes; only if the kernel mounted them. */
  inodes?: number
  /** Paths that the mount cannot show: devices 0:0. */
  hidden: string[]
}

/** @throws StrataError MOUNT_TARGET, MOUNT_UNPROVEN, MOUNT_FAILED; then nothing is mounted */
export async function mountImage(
  path: string,
  directory: string,
  options: MountOptions
): Promise<MountReport> {
  const place = checkTarget(directory)
  const image = await openImage(resolve(path))
  try {
    const report = { image: image.path, directory: place }
    if (process.getuid?.() === 0) return { ...report, ...(await asRoot(image, place, options)) }
    if (options.lock !== undefined) await assertLockNames(image, options.lock)
    await assertImageTrusted(options.store, image, 'run')
    const form = mountByFuse(image, place, options.isExecutable, process.env)
    return { ...report, how: 'fuse', enforced: false, form, hidden: [] }
  } finally {
    await image.close()
  }
}

async function asRoot(
  image: OpenImage,
  directory: string,
  { store, lock, isOwn, isExecutable, without }: MountOptions
): Promise<Pick<MountReport, 'how' | 'enforced' | 'form' | 'inodes' | 'hidden'>> {
  const description = isOwn ? described(image) : await proveImage(store, image, lock)
  const audience = parseAudience(description.lock.parameters.audience, `${image.path}: image.audience`)
  const limit = limitRootTo(audience, await restrictionsIn(store, image, description))
  const { tree, hidden } = metadataOfImage(image, limit)
  const form = await mountByKernel({
    ...{ image, metadata: tree, directory, source: image.path, isExecutable, without }
  })
  return { how: 'kernel', enforced: true, form, inodes: tree.inodes.length, hidden }
}

/**
 * A layer without a record belongs to its module all the same, which only a store can name. A record may admit more users
 * than the files of its layers in the store do, where somebody else forged it.
 */
async function restrictionsIn(
  store: Repository | undefined,
  image: OpenImage,
  { lock, modules }: ImageDescription
): Promise<Restriction[]> {
  const bare = lock.modules.filter(({ record }) => record === undefined)
  if (store === undefined && bare.length === 0) return restrictionsOf(modules.map(({ record }) => record))
  if (store === undefined)
    throw new StrataError('MOUNT_UNPROVEN', {
      message: `${image.path} has layers of no module, and there is no store that says whom they are for`,
      hint: 'COMPOSE_PATH=STORE:… names the stores that have its layers'
    })
  const named = modules.map(metadata => ({ layers: metadata.record.layers, metadata }))
  const { restrictions } = await modulesBehind(store, [...named, ...bare])
  return restrictions
}
