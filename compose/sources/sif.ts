/** A SIF file of Apptainer or SingularityCE as a source; neither program is needed (spec/sources.md#sif). */

import { open } from 'node:fs/promises'
import type { ModuleSource, SourceOptions } from '../../store/import/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { ImageReader } from '../squashfs/index.ts'
import { readSif } from './sif-header.ts'
import { imageSource } from './squashfs.ts'

/** @throws StrataError IO, IMAGE_INVALID */
export async function openSifSource(
  store: Repository,
  path: string,
  options: SourceOptions
): Promise<ModuleSource> {
  const { system, recipe, labels } = await readSif(path)
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const reader = new ImageReader({ fd: file.fd, ...system }, path)
    const image = { path, reader, fd: file.fd, sizeBytes: size, close: () => file.close() }
    return await imageSource(store, image, { recipe, labels }, options)
  } catch (error) {
    await file.close()
    throw error
  }
}
