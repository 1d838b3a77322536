/** The records behind an image, a module or a sandbox, for what is told about how it was made. */
import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { CID } from 'multiformats/cid'
import { exists } from '../../store/disk/index.ts'
import { formatModuleName, type ModuleRecord } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError, sha256Of } from '../../store/values/index.ts'
import { describeImage, openImage, undescribed } from '../inspect/index.ts'
import { rangeDigest } from '../outputs/index.ts'
import { SANDBOX_FOLDER } from '../sandbox/index.ts'
import { keptLock } from './compose-folder.ts'
import { recordsOfSandbox } from './sandbox-records.ts'

export interface DescribedModule {
  name: string
  id: CID
  record: ModuleRecord
}

export interface DescribedTarget {
  name: string
  /** SHA-256, 64 hexadecimal digits, of the image file, the module's record, or the sandbox's tree as it was made. */
  sha256: string
  /** Bottom to top. */
  modules: DescribedModule[]
  /** Modules that a module requires, as far as the stores have them. */
  required: DescribedModule[]
}

/**
 * @param openStore is called for modules and sandboxes
 * @throws StrataError IMAGE_INVALID, SANDBOX_INVALID, MODULE_UNKNOWN
 */
export async function describeTarget(
  word: string,
  openStore: () => Promise<Repository>
): Promise<DescribedTarget> {
  const status = await stat(word).catch(() => undefined)
  if (status?.isDirectory()) return describeSandbox(await openStore(), word)
  if (status !== undefined || !/^[a-z]+(\/|$)/.test(word)) return describeFile(word)
  return describeModule(await openStore(), word)
}

async function describeFile(path: string): Promise<DescribedTarget> {
  const image = await openImage(path)
  try {
    const description = describeImage(image)
    if (description === undefined)
      throw undescribed(
        path,
        `compose cat ${path} .singularity.d/Singularity prints the recipe of an Apptainer image`
      )
    const { fd, sizeBytes } = image
    const sha256 = await rangeDigest({ fd, startInFile: 0, lengthBytes: sizeBytes })
    return { name: basename(path), sha256, modules: description.modules, required: [] }
  } finally {
    await image.close()
  }
}

async function describeSandbox(store: Repository, path: string): Promise<DescribedTarget> {
  if (!(await exists(`${path}/${SANDBOX_FOLDER}/lock`)))
    throw new StrataError('USAGE', {
      message: `${path} is a folder, but not a sandbox that compose made`,
      hint: 'compose inspect IMAGE, MODULE or SANDBOX'
    })
  const lock = keptLock(path)
  const records = await recordsOfSandbox(store, path, lock.modules)
  const modules = lock.modules.flatMap((module): DescribedModule[] => {
    const record = records.of(module)
    return record === undefined ? [] : [{ name: module.name!, id: module.record!, record }]
  })
  return { name: basename(resolve(path)), sha256: lock.treeDigest ?? '', modules, required: [] }
}

async function describeModule(store: Repository, word: string): Promise<DescribedTarget> {
  const found = await store.findRecord(word)
  const record = await store.readRecord(found.record)
  const name = formatModuleName(found.name)
  const required: DescribedModule[] = []
  for (const request of record.requires) {
    const known = await requiredModule(store, request).catch(() => undefined)
    if (known !== undefined) required.push(known)
  }
  const modules = [{ name, id: found.record, record }]
  return { name, sha256: sha256Of(found.record), modules, required }
}

/** Of a requirement of one version, as captures have them. */
async function requiredModule(
  store: Repository,
  { category, name, constraints }: ModuleRecord['requires'][number]
): Promise<DescribedModule | undefined> {
  const [exact, ...more] = constraints
  if (exact?.relation !== '=' || more.length > 0) return undefined
  const found = store.findExact({ category, name, version: exact.version })
  if (found === undefined) return undefined
  const record = await store.readRecord(found.record)
  return { name: formatModuleName(found.name), id: found.record, record }
}
