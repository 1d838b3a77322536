/** An image as a source of `compose import`: one layer of the module for each of its own (spec/sources.md#oci). */

import type { LayerInput, ModuleSource, SourceOptions } from '../import/index.ts'
import { checkLine, type Origin } from '../module/index.ts'
import { type Digest, dropUndefined, StrataError } from '../values/index.ts'
import { environmentAbove, type ImageBase, layersAbove } from './above-base.ts'
import type { OciChoice } from './choose-image.ts'
import { describeImage } from './describe-image.ts'
import type { OciImage, OciLayer } from './image.ts'
import type { ImageFiles } from './image-files.ts'
import { layerInput } from './layer-input.ts'
import { formatPlatform } from './platform.ts'
import { DOCKER_MANIFEST, readDockerArchive } from './read-docker-archive.ts'
import { INDEX_FILE, LAYOUT_FILE, readLayout, readNamed } from './read-layout.ts'

export interface ImageSourceOptions extends SourceOptions, OciChoice {
  /**
   * The tarball of a diffID, if it is at hand: then the layer's blob is not read at all. The tarball is compared with the
   * diffID like one that comes out of a blob.
   */
  stored?: (diffId: Digest) => Promise<(() => AsyncIterable<Uint8Array>) | undefined>
}

/**
 * @param base the module on which the image lies: its layers are left out
 * @param files closed with the source, and if this fails
 * @throws StrataError SOURCE_INVALID, SOURCE_CHOICE, LIMIT_EXCEEDED, IO
 */
export async function openImageSource(
  files: ImageFiles,
  options: ImageSourceOptions,
  base?: ImageBase
): Promise<ModuleSource> {
  try {
    const image = (await isReadAsLayout(files))
      ? await readLayout(files, options)
      : await readDockerArchive(files, options)
    const { described, notes } = describeImage(image, options.kind)
    const { environment = [] } = described
    const taken = base === undefined ? image.layers : layersAbove(files.name, image.layers, base)
    const origin = originOf(files.fileName, image, notes)
    const layers = layerInputs(taken, { files, origin, options })
    return {
      described: base
        ? { ...described, environment: environmentAbove(environment, base.environment) }
        : described,
      notes,
      layers,
      close: () => files.close()
    }
  } catch (error) {
    await files.close()
    throw error
  }
}

interface LayerInputs {
  files: ImageFiles
  origin: Origin
  options: ImageSourceOptions
}

async function* layerInputs(
  layers: OciLayer[],
  { files, origin, options: { limits, onProgress, stored } }: LayerInputs
): AsyncGenerator<LayerInput> {
  const bytesTotal = layers.reduce((sum, { file }) => sum + file.sizeBytes, 0)
  const expansion = { readBytes: 0, decodedBytes: 0 }
  let before = 0
  for (const layer of layers) {
    const begun = before
    before += layer.file.sizeBytes
    const onBytes = (bytes: number) =>
      onProgress?.({ source: files.name, bytesRead: begun + bytes, bytesTotal })
    const known = await stored?.(layer.diffId)
    if (known === undefined) {
      yield layerInput(layer, { limits, origin, expansion, onBytes })
      continue
    }
    onBytes(layer.file.sizeBytes)
    const plain = { ...layer, file: { ...layer.file, chunks: known }, announced: undefined }
    // What is read from a store says nothing about how far the image's own blobs may expand.
    yield layerInput(plain, {
      limits,
      origin,
      expansion: { readBytes: 0, decodedBytes: 0 },
      onBytes: () => {}
    })
  }
}

/**
 * True if the image is to be read as a layout. Docker since 25 writes both forms into one archive; a layout is better,
 * because its blobs can be checked by their digests. But docker with containerd's store may leave the layout's index
 * empty (`"manifests":null`).
 */
async function isReadAsLayout(files: ImageFiles): Promise<boolean> {
  if (files.find(LAYOUT_FILE) === undefined) return false
  if (files.find(DOCKER_MANIFEST) === undefined) return true
  return (await readNamed(files, INDEX_FILE)).member('manifests').optionalList().length > 0
}

function originOf(
  name: string | undefined,
  { sha256, reference, platform }: OciImage,
  notes: string[]
): Origin {
  const line = (what: string, text: string | undefined): string | undefined => {
    try {
      return text === undefined ? undefined : checkLine(text, what)
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
      notes.push(error.message)
      return undefined
    }
  }
  return dropUndefined({
    kind: 'oci' as const,
    name,
    sha256,
    reference: line('reference', reference),
    platform: line('platform', formatPlatform(platform))
  })
}
