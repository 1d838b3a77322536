/** An image as a source of `compose import`: one layer of the module for each of its own (spec/sources.md#oci). */

import type { ModuleSource, SourceOptions } from '../import/index.ts'
import { checkLine, type Origin } from '../module/index.ts'
import { dropUndefined, StrataError } from '../values/index.ts'
import { environmentAbove, type ImageBase, layersAbove } from './above-base.ts'
import type { OciChoice } from './choose-image.ts'
import { describeImage } from './describe-image.ts'
import type { OciImage } from './image.ts'
import type { ImageFiles } from './image-files.ts'
import { layerInput } from './layer-input.ts'
import { formatPlatform } from './platform.ts'
import { DOCKER_MANIFEST, readDockerArchive } from './read-docker-archive.ts'
import { INDEX_FILE, LAYOUT_FILE, readLayout, readNamed } from './read-layout.ts'

/**
 * @param base the module on which the image lies: its layers are left out
 * @param files closed with the source, and if this fails
 * @throws StrataError SOURCE_INVALID, SOURCE_CHOICE, LIMIT_EXCEEDED, IO
 */
export async function openImageSource(
  files: ImageFiles,
  options: SourceOptions & OciChoice,
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
    const { limits, onProgress } = options
    const bytesTotal = taken.reduce((sum, { file }) => sum + file.sizeBytes, 0)
    const expansion = { readBytes: 0, decodedBytes: 0 }
    let bytesBefore = 0
    const layers = taken.map(layer => {
      const before = bytesBefore
      bytesBefore += layer.file.sizeBytes
      const onBytes = (bytes: number) =>
        onProgress?.({ source: files.name, bytesRead: before + bytes, bytesTotal })
      return layerInput(layer, { limits, origin, expansion, onBytes })
    })
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
