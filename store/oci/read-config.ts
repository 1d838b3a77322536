import type { Digest } from '../values/index.ts'
import { readDigest } from './descriptor.ts'
import type { Json } from './json.ts'
import { imageInvalid } from './refuse-image.ts'

/** Limit on layers: docker stacks at most 127, podman at most 500. Even a small layer needs files of its own. */
const MOST_LAYERS = 500

/**
 * The diffIDs of a config: one SHA-256 for each layer.
 * @param layers number of layers in the manifest
 * @throws StrataError SOURCE_INVALID
 */
export function readDiffIds(config: Json, layers: number): Digest[] {
  const field = config.member('rootfs').member('diff_ids')
  const diffIds = field.optionalList().map(item => {
    const { algorithm, hex } = readDigest(item)
    if (algorithm !== 'sha256') throw imageInvalid(item.where, `is a ${algorithm}, wanted a sha256`)
    return hex as Digest
  })
  if (diffIds.length !== layers)
    throw imageInvalid(field.where, `${diffIds.length} diffIDs, but the manifest has ${layers} layers`)
  if (layers === 0) throw imageInvalid(config.where, 'the image has no layers, a module has at least one')
  if (layers > MOST_LAYERS)
    throw imageInvalid(config.where, `${layers} layers, wanted at most ${MOST_LAYERS}`)
  return diffIds
}
