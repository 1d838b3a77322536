/** An image as a source of `compose import`: one layer of the module for each of its own (spec/sources.md#oci). */
import { StrataError } from '../errors.ts'
import type { ModuleSource, SourceOptions } from '../import/module-source.ts'
import { present } from '../module/manifest-fields.ts'
import type { Origin } from '../module/record.ts'
import { checkLine } from '../module/text-field.ts'
import type { OciChoice } from './choose-image.ts'
import { describeImage } from './describe-image.ts'
import type { OciImage } from './image.ts'
import type { ImageFiles } from './image-files.ts'
import { layerInput } from './layer-input.ts'
import { formatPlatform } from './platform.ts'
import { readDockerArchive } from './read-docker-archive.ts'
import { LAYOUT_FILE, readLayout } from './read-layout.ts'

/**
 * @param files closed with the source, and when this fails
 * @throws StrataError SOURCE_INVALID, SOURCE_CHOICE, LIMIT_EXCEEDED, IO
 */
export async function openImageSource(
  files: ImageFiles,
  options: SourceOptions & OciChoice
): Promise<ModuleSource> {
  try {
    // Docker since 25 writes both forms into one archive; a layout's blobs have digests to be checked by.
    const read = files.find(LAYOUT_FILE) === undefined ? readDockerArchive : readLayout
    const image = await read(files, options)
    const { described, notes } = describeImage(image, options.kind)
    const origin = originOf(files.fileName, image, notes)
    const { limits, onProgress } = options
    const bytesTotal = image.layers.reduce((sum, { file }) => sum + file.sizeBytes, 0)
    let bytesBefore = 0
    const layers = image.layers.map(layer => {
      const before = bytesBefore
      bytesBefore += layer.file.sizeBytes
      const onBytes = (bytes: number) =>
        onProgress?.({ source: files.name, bytesRead: before + bytes, bytesTotal })
      return layerInput(layer, { limits, origin, onBytes })
    })
    return { described, notes, layers, close: () => files.close() }
  } catch (error) {
    await files.close()
    throw error
  }
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
  return present({
    kind: 'oci' as const,
    name,
    sha256,
    reference: line('reference', reference),
    platform: line('platform', formatPlatform(platform))
  })
}
