/** A SquashFS image as a source of one layer (spec/sources.md#squashfs). */

import { createHash } from 'node:crypto'
import { read } from 'node:fs'
import { promisify } from 'node:util'
import type { Bound } from '../../store/access/index.ts'
import type { Attributes } from '../../store/acl/index.ts'
import {
  countBytes,
  type ModuleSource,
  type SkippedPath,
  type SourceOptions
} from '../../store/import/index.ts'
import {
  type ImportSettings,
  type Origin,
  originName,
  settingsOfTerms,
  TERMS_ATTRIBUTE
} from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { writeMembers } from '../../store/tar/index.ts'
import {
  type Digest,
  type PathBytes,
  pathFromBuffer,
  StrataError,
  systemWords
} from '../../store/values/index.ts'
import { describeImage, type OpenImage, openImage, readImageFile } from '../inspect/index.ts'
import { generatedPaths } from '../runtime-files/index.ts'
import { apptainerFacts, type SifFacts, sifDefinition, textFile } from './apptainer-settings.ts'
import { composedBounds } from './composed-bounds.ts'
import { composedSettings } from './composed-settings.ts'
import { imageMembers } from './image-members.ts'

/** @throws StrataError IO, IMAGE_INVALID, LOCK_INVALID, ACCESS_WIDER */
export async function openSquashfsSource(
  store: Repository,
  path: string,
  options: SourceOptions
): Promise<ModuleSource> {
  return imageSource(store, await openImage(path), {}, options)
}

/**
 * @param image open; the source closes it
 * @param sif data of the SIF file around it
 * @throws StrataError IMAGE_INVALID, LOCK_INVALID, ACCESS_WIDER; then the image is closed
 */
export async function imageSource(
  store: Repository,
  image: OpenImage,
  sif: SifFacts,
  { limits, onProgress }: Pick<SourceOptions, 'limits' | 'onProgress'>
): Promise<ModuleSource> {
  const close = () => image.close()
  try {
    const notes: string[] = []
    const { settings, bounds, recipe, skipped, leaveOut } = await imageFacts(store, image, sif, notes)
    const sha256 = await hashOpen(image)
    const attributes = new Map<PathBytes, Attributes>()
    const members = imageMembers(image.reader, {
      name: image.path,
      limits,
      leaveOut,
      onSkip: found => skipped.push(found),
      attributes
    })
    const name = originName(image.path)
    const origin: Origin = { kind: 'image', ...(name && { name }), sha256, ...(recipe && { recipe }) }
    const chunks = countBytes(writeMembers(members, image.path), bytesRead =>
      onProgress?.({ source: image.path, bytesRead })
    )
    const layer = { name: image.path, chunks, attributes, origin: () => origin }
    return { described: settings, bounds, layers: [layer], skipped, notes, close }
  } catch (error) {
    await close()
    throw error
  }
}

interface ImageFacts {
  settings: Partial<ImportSettings>
  bounds: Bound[]
  recipe?: string
  skipped: SkippedPath[]
  leaveOut: (path: PathBytes) => boolean
}

/** For an image that compose made, settings come from its modules' records; for others, from Apptainer's files. */
async function imageFacts(
  store: Repository,
  image: OpenImage,
  sif: SifFacts,
  notes: string[]
): Promise<ImageFacts> {
  const description = describeImage(image)
  if (description === undefined) {
    const { settings: ofFiles, recipe, takenPaths } = apptainerFacts(image, sif, notes)
    const terms = image.reader.attributes(image.reader.root()).get(TERMS_ATTRIBUTE)
    const settings = { ...ofFiles, ...settingsOfTerms(terms && pathFromBuffer(terms), image.path, notes) }
    const skipped = [...takenPaths].map(path => ({ path, reason: 'its content is in the record' }))
    return { settings, bounds: [], recipe, skipped, leaveOut: path => takenPaths.has(path) }
  }
  const records = description.modules.map(({ record }) => record)
  const byName = new Map(description.modules.map(({ name, record }) => [name, record]))
  return {
    settings: composedSettings(records, image.path),
    bounds: await composedBounds(store, description.lock, ({ name }) => byName.get(name ?? ''), image.path),
    skipped: [],
    recipe: sifDefinition(sif, notes) ?? textFile(image, '.singularity.d/Singularity'),
    leaveOut: generatedPaths(readImageFile(image, '.compose/owners'))
  }
}

const HASHED_BYTES = 1 << 20
const readAt = promisify(read)

/** Hashes the open file, even if its name leads to another one by then. */
async function hashOpen({ fd, path }: OpenImage): Promise<Digest> {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(HASHED_BYTES)
  for (let position = 0; ; ) {
    const { bytesRead } = await readAt(fd, buffer, 0, HASHED_BYTES, position).catch(cause => {
      throw new StrataError('IO', { message: `${path} cannot be read: ${systemWords(cause)}`, cause })
    })
    if (bytesRead === 0) return hash.digest('hex') as Digest
    hash.update(buffer.subarray(0, bytesRead))
    position += bytesRead
  }
}
