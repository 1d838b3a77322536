/**
 * The manifest of a module in a registry (spec/registry.md#module-manifest). It follows from what a store has, so the same
 * module has the same manifest from every site.
 */
import type { SentBlob, SentData, SentLayer } from '../import/index.ts'
import { formatModuleName, type ModuleRecord } from '../module/index.ts'
import { type Digest, isMap, StrataError } from '../values/index.ts'
import { decodeData, encodeParts } from './data-blobs.ts'
import { withOwnConfig } from './plain-form.ts'

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
export const MODULE_TYPE = 'application/vnd.strata.module.v1+json'
export const RECORD_TYPE = 'application/vnd.strata.record.v1+json'
const LAYER_TYPE = 'application/vnd.strata.layer.v1+json'
const SIDECAR_TYPE = 'application/vnd.strata.sidecar.v1+json'
const PACKED_SIDECAR_TYPE = `${SIDECAR_TYPE}+zstd`
const RECIPE_TYPE = 'application/vnd.strata.recipe.v1'
const DATA_TYPE = 'application/vnd.strata.data.v1'

const PARTS = 'dev.strata.parts'
export const KIND = 'dev.strata.kind'
export const TITLE = 'org.opencontainers.image.title'
const VERSION = 'org.opencontainers.image.version'

/** Registries refuse larger ones. */
const LARGEST_BYTES = 4 << 20

export interface ModuleManifest {
  record: SentBlob
  layers: SentLayer[]
}

/** @throws StrataError LIMIT_EXCEEDED for a module of so much data that registries refuse its manifest */
export function encodeModuleManifest(
  record: ModuleRecord,
  { record: config, layers }: ModuleManifest
): Buffer {
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType: MODULE_TYPE,
    config: descriptorOf(RECORD_TYPE, config),
    layers: layers.flatMap(({ manifest, sidecar, tar }) => [
      descriptorOf(LAYER_TYPE, manifest),
      ...(sidecar ? [descriptorOf(sidecar.isPacked ? PACKED_SIDECAR_TYPE : SIDECAR_TYPE, sidecar)] : []),
      ...(tar ? [descriptorOf(RECIPE_TYPE, tar.recipe)] : []),
      ...(tar ? tar.data.map(dataDescriptorOf) : [])
    ]),
    annotations: {
      [KIND]: 'module',
      [TITLE]: formatModuleName(record),
      [VERSION]: record.version
    }
  }
  const bytes = Buffer.from(JSON.stringify(manifest))
  if (bytes.length <= LARGEST_BYTES) return bytes
  throw new StrataError('LIMIT_EXCEEDED', {
    message: `${formatModuleName(record)} has ${manifest.layers.length} blobs; its manifest of ${bytes.length} bytes is larger than registries take (${LARGEST_BYTES})`,
    hint: 'several modules in place of one'
  })
}

const descriptorOf = (mediaType: string, { sha256, lengthBytes }: SentBlob): object => ({
  mediaType,
  digest: `sha256:${sha256}`,
  size: lengthBytes
})

const dataDescriptorOf = (data: SentData): object => ({
  ...descriptorOf(DATA_TYPE, data),
  ...(data.parts.length > 1 && { annotations: { [PARTS]: encodeParts(data.parts) } })
})

/** True for the manifest of a module, sound or not. */
export function isModuleManifest(document: unknown): boolean {
  const own = withOwnConfig(document, RECORD_TYPE)
  return isMap(own) && isMap(own.config) && own.config.mediaType === RECORD_TYPE
}

/**
 * @param document that is one, by `isModuleManifest`
 * @throws RangeError that says what is wrong
 */
export function decodeModuleManifest(document: unknown): ModuleManifest {
  const { config, layers: listed } = withOwnConfig(document, RECORD_TYPE) as Record<
    'config' | 'layers',
    unknown
  >
  if (!Array.isArray(listed)) throw new RangeError('it lists no layers')
  const layers: SentLayer[] = []
  for (const [i, value] of listed.entries()) addDescriptor(layers, readDescriptor(value, `layers[${i}]`), i)
  if (layers.length === 0) throw new RangeError('it lists no layers')
  return { record: readDescriptor(config, 'config').blob, layers }
}

/** @returns undefined for bytes that are no sound manifest of a module */
export function decodeIfModule(bytes: Buffer): ModuleManifest | undefined {
  try {
    const document: unknown = JSON.parse(bytes.toString())
    return isModuleManifest(document) ? decodeModuleManifest(document) : undefined
  } catch {
    return undefined
  }
}

interface Descriptor {
  mediaType: string
  blob: SentBlob
  annotations: unknown
}

/** A layer is followed by its sidecar, its tarball's recipe, and the recipe's data file. */
function addDescriptor(layers: SentLayer[], { mediaType, blob, annotations }: Descriptor, i: number): void {
  const layer = layers.at(-1)
  const out = (what: string) => new RangeError(`layers[${i}] is ${what} out of its order`)
  switch (mediaType) {
    case LAYER_TYPE:
      layers.push({ manifest: blob })
      return
    case SIDECAR_TYPE:
    case PACKED_SIDECAR_TYPE:
      if (layer === undefined || layer.sidecar || layer.tar) throw out('a sidecar')
      layer.sidecar = { ...blob, isPacked: mediaType === PACKED_SIDECAR_TYPE }
      return
    case RECIPE_TYPE:
      if (layer === undefined || layer.tar) throw out('a recipe')
      layer.tar = { recipe: blob, data: [] }
      return
    case DATA_TYPE:
      if (layer?.tar === undefined) throw out('data')
      layer.tar.data.push(
        decodeData(blob, isMap(annotations) ? annotations[PARTS] : undefined, `layers[${i}]`)
      )
      return
    default:
      throw new RangeError(`layers[${i}] has the type "${mediaType.slice(0, 100)}", which no module has`)
  }
}

function readDescriptor(value: unknown, what: string): Descriptor {
  if (!isMap(value)) throw new RangeError(`${what} is not a descriptor`)
  const { mediaType, digest, size, annotations } = value
  if (typeof mediaType !== 'string') throw new RangeError(`${what} has no media type`)
  const hex = typeof digest === 'string' ? /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1] : undefined
  if (hex === undefined) throw new RangeError(`${what} has no SHA-256 as its digest`)
  if (!Number.isSafeInteger(size) || (size as number) < 0) throw new RangeError(`${what} has no size`)
  return { mediaType, blob: { sha256: hex as Digest, lengthBytes: size as number }, annotations }
}
