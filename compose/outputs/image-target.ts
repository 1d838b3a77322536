/** Images of registries as targets: made modules when they are needed, also by a lock that names them. */
import { isImageAddress } from '../../store/registry/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError, sha256Of } from '../../store/values/index.ts'
import type { ChosenModule } from '../stack/index.ts'

/**
 * Makes a module of an image in a registry, without a name in the store.
 * @param wanted as a lock names it; without it, the module is named after the image
 */
export type OpenImage = (address: string, wanted?: ChosenModule) => Promise<ChosenModule>

/** Fetches modules that no store has from remotes. */
export type PullMissing = (missing: ChosenModule[]) => Promise<void>

export interface ImagePolicy {
  /** Opens images in registries; without it they are refused. */
  openImage?: OpenImage
  /** Without it, modules that no store has are left missing. */
  pullMissing?: PullMissing
  /** Refuse targets that would first have to become a layer, because nothing may be written. */
  isDryRun?: boolean
}

/**
 * The module of the one image that is the target.
 * @throws StrataError USAGE for an image among other words
 */
export async function imageModule(
  words: string[],
  { openImage, isDryRun }: ImagePolicy
): Promise<ChosenModule> {
  const address = words.find(isImageAddress)!
  if (words.length > 1 || openImage === undefined)
    throw new StrataError('USAGE', {
      message:
        words.length > 1
          ? `${address} is an image, and a TARGET of several words consists of modules`
          : `${address} is an image in a registry, which this command does not open`,
      hint: `compose import base/NAME-VERSION ${address} (makes it a module)`
    })
  if (isDryRun) throw notWithoutWriting(address)
  return openImage(address)
}

/** Fetches what no store has: images that a lock has from registries, and modules of remotes. */
export async function fetchMissing(
  store: Repository,
  modules: ChosenModule[],
  { openImage, pullMissing, isDryRun }: ImagePolicy
): Promise<void> {
  const missing = modules.filter(({ name, record, source }) => {
    const isModule = name !== undefined && record !== undefined && source === undefined
    return isModule && store.findBlob(sha256Of(record)) === undefined
  })
  if (missing.length > 0 && pullMissing !== undefined && (await store.remotes()).length > 0) {
    if (isDryRun) throw notWithoutPull(missing)
    await pullMissing(missing)
  }
  for (const module of modules)
    if (module.source !== undefined && openImage !== undefined && !(await isWhole(store, module))) {
      if (isDryRun) throw notWithoutWriting(module.source)
      await openImage(module.source, module)
    }
}

/** True if the store has the record and all files of the layers that it names. */
export async function isWhole(
  store: Repository,
  { record, layers }: Pick<ChosenModule, 'record' | 'layers'>
): Promise<boolean> {
  if (record !== undefined && store.findBlob(sha256Of(record)) === undefined) return false
  for (const layer of layers) {
    if (store.findBlob(sha256Of(layer)) === undefined) return false
    const { tar, sidecar } = await store.readLayer(layer)
    const files = [tar, ...(sidecar === undefined ? [] : [sidecar])]
    if (files.some(file => store.findBlob(sha256Of(file)) === undefined)) return false
  }
  return true
}

const notWithoutPull = (missing: ChosenModule[]): StrataError =>
  new StrataError('USAGE', {
    message: `--dry-run writes nothing, but no store has ${missing.map(({ name }) => name).join(', ')}, which a remote offers`,
    hint: `compose pull ${missing.map(({ name }) => name).join(' ')}`
  })

/** @param name of a target that needs a new layer */
export const notWithoutWriting = (name: string): StrataError =>
  new StrataError('USAGE', {
    message: `--dry-run writes nothing, but ${name} would have to become a layer of the store first`,
    hint: 'compose build without --dry-run, or with modules as TARGET'
  })
