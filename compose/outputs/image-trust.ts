/**
 * Asks the policies before an image that somebody built is run or unpacked (spec/signatures.md#images). Its lock says
 * which modules are in it, and that may be a lie. So beside the modules, the tree has to be accepted as one that is in
 * no module, or the stores have to prove that it is the image of its lock.
 */
import { assertTrusted, type Part, type Purpose } from '../../store/policy/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { isDenied, StrataError } from '../../store/values/index.ts'
import { describeImage, type ImageDescription, type OpenImage } from '../inspect/index.ts'
import { unproven } from './unproven-image.ts'

/**
 * @returns true if any policy was asked
 * @throws StrataError as assertTrusted; LOCK_MISMATCH for an image that is not the one of its lock
 */
export async function assertImageTrusted(
  store: Repository | undefined,
  image: OpenImage,
  purpose: Purpose
): Promise<boolean> {
  const description = describeImage(image)
  const isAsked = await assertTrusted(store, [purpose], partsOf(image, description))
  const whole: Part = { name: `the tree of ${image.path}`, layers: layersOf(description) }
  try {
    await assertTrusted(store, [purpose], [whole])
    return isAsked
  } catch (error) {
    if (!(error instanceof StrataError) || error.code !== 'SIGNATURE_MISSING') throw error
    if (description !== undefined && (await proves(store, image, description))) return isAsked
    throw unproven(image.path, error)
  }
}

/**
 * For an image whose bytes a signed lock names: its maker answers for modules that nobody else has signed here, but not for
 * those that were withdrawn, or that a key has signed which is revoked.
 * @throws StrataError as assertTrusted, except for SIGNATURE_MISSING
 */
export async function assertModulesNotRefused(
  store: Repository | undefined,
  image: OpenImage,
  purpose: Purpose
): Promise<void> {
  for (const part of partsOf(image, describeImage(image)))
    await assertTrusted(store, [purpose], [part]).catch(error => {
      if (!(error instanceof StrataError) || error.code !== 'SIGNATURE_MISSING') throw error
    })
}

/** False if its layers are not for this user. */
async function proves(
  store: Repository | undefined,
  image: OpenImage,
  { lock }: ImageDescription
): Promise<boolean> {
  const { isProven } = await import('./verify-output.ts') // it loads all of building, and few sites have a policy
  try {
    return await isProven(store, image, lock)
  } catch (error) {
    if (isDenied(error)) return false
    throw error
  }
}

function partsOf({ path }: OpenImage, description: ImageDescription | undefined): Part[] {
  if (description === undefined) return []
  const { lock, modules } = description
  const bare = lock.modules.filter(({ record }) => record === undefined)
  return [
    ...modules.map(({ name, id, bytes }) => ({ name, record: id, bytes, layers: [] })),
    ...bare.map(({ layers }) => ({ name: `a layer of ${path}`, layers }))
  ]
}

const layersOf = (description: ImageDescription | undefined) =>
  description?.lock.modules.flatMap(({ layers }) => layers) ?? []
