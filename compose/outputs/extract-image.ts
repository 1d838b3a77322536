/** `compose extract`: unpacks an image into a sandbox, from the image file alone. */

import type { OpenFile } from '../../store/disk/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import { parseAudience } from '../audience/index.ts'
import { describeImage, imageAsLayer, openImage, readImageFile, undescribed } from '../inspect/index.ts'
import { mergeLayers, treeDigest } from '../merge/index.ts'
import { generatedPaths } from '../runtime-files/index.ts'
import { writeSandbox } from '../sandbox/index.ts'
import { formatLock } from '../stack/index.ts'
import type { BuiltSandbox } from './build-sandbox.ts'
import { assertImageTrusted } from './image-trust.ts'
import { summed } from './summed.ts'

export interface ExtractOptions {
  recordOnly: boolean
  /** Whose signatures count for the policies. */
  store?: Repository
  /**
   * The image, if the caller has it open: it stays open, and its path is only for messages. The caller has asked the
   * policies.
   */
  file?: OpenFile
  onProgress?: (bytesSoFar: number) => void
}

/** Folders that every sandbox has of its own. */
const isOwnFolder = (path: PathBytes): boolean =>
  path === '.compose/sandbox' || path.startsWith('.compose/sandbox/')

/** @throws StrataError IMAGE_INVALID, SANDBOX_EXISTS, SANDBOX_FILESYSTEM, IO; then the directory is unchanged */
export async function extractImage(
  path: string,
  directory: string,
  { recordOnly, store, file, onProgress }: ExtractOptions
): Promise<BuiltSandbox> {
  const image = await openImage(path, file)
  try {
    if (file === undefined) await assertImageTrusted(store, image, 'extract')
    const lock = describeImage(image)?.lock
    if (lock === undefined) throw undescribed(path, `unsquashfs -d ${directory} ${path}`)
    const isGenerated = generatedPaths(readImageFile(image, '.compose/owners'))
    const modules = imageAsLayer(image, isGenerated)
    const generated = imageAsLayer(image, at => isOwnFolder(at) || (at !== '' && !isGenerated(at)))
    const tree = mergeLayers([
      { index: modules, module: 0, name: path, role: 'module' },
      { index: generated, module: 1, name: path, role: 'generated' }
    ])
    const report = await writeSandbox(tree, [image.fd, image.fd], directory, {
      recordOnly,
      lock: formatLock(lock),
      audience: parseAudience(lock.parameters.audience, `${path}: image.audience`),
      treeDigest: lock.treeDigest === undefined ? undefined : Buffer.from(lock.treeDigest, 'hex'),
      onProgress: summed(onProgress)
    })
    const found = treeDigest(tree).toString('hex')
    return { ...report, directory, lock, ...(found !== lock.treeDigest && { treeDigest: found }) }
  } finally {
    await image.close()
  }
}
