/** Images that were made on top of another one: only the layers above it are imported (spec/sources.md#base). */
import type { EnvironmentOperation } from '../module/index.ts'
import { type Digest, StrataError } from '../values/index.ts'
import type { OciLayer } from './image.ts'

/** The module on which an image was made. */
export interface ImageBase {
  /** Name of the module. */
  name: string
  /** Digests of its tarballs, bottom to top. */
  tars: Digest[]
  environment: EnvironmentOperation[]
}

/**
 * @param image as the user named it
 * @throws StrataError USAGE if the image's lowest layers are not those of the base, or if it has no others
 */
export function layersAbove(image: string, layers: OciLayer[], { name, tars }: ImageBase): OciLayer[] {
  const differs = tars.findIndex((tar, i) => layers[i]?.diffId !== tar)
  if (differs >= 0)
    throw new StrataError('USAGE', {
      message: `${image} was not made on ${name}: ${
        differs < layers.length
          ? `layer ${differs + 1} differs`
          : `it has ${layers.length} layers, the base has ${tars.length}`
      }`,
      facts: {
        image: layers.map(({ diffId }) => `sha256:${diffId}`),
        base: tars.map(tar => `sha256:${tar}`)
      },
      hint: 'import the image that it was made from as a base, or all of it without --base'
    })
  if (layers.length > tars.length) return layers.slice(tars.length)
  throw new StrataError('USAGE', { message: `${image} is ${name}: it has no layer above` })
}

/** Leaves out operations of the base. If a list of the base was extended, only the new part remains. */
export function environmentAbove(
  environment: EnvironmentOperation[],
  base: EnvironmentOperation[]
): EnvironmentOperation[] {
  const known = new Map(base.map(operation => [operation.name, operation]))
  return environment.flatMap(operation => {
    const below = known.get(operation.name)
    if (below?.operation !== 'set' || operation.operation === 'unset') return [operation]
    if (operation.value === below.value) return []
    if (operation.operation !== 'prepend' || !operation.value.endsWith(`:${below.value}`)) return [operation]
    return [{ ...operation, value: operation.value.slice(0, -below.value.length - 1) }]
  })
}
