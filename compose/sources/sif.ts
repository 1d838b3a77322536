/** A SIF file of Apptainer or SingularityCE as a source; neither program is needed (spec/sources.md#sif). */
import type { ModuleSource, SourceOptions } from '../../store/import/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { openImage } from '../inspect/index.ts'
import { imageSource } from './squashfs.ts'

/** @throws StrataError IO, IMAGE_INVALID */
export async function openSifSource(
  store: Repository,
  path: string,
  options: SourceOptions
): Promise<ModuleSource> {
  const image = await openImage(path)
  const { recipe, labels } = image.sif ?? {}
  return imageSource(store, image, { recipe, labels }, options)
}
