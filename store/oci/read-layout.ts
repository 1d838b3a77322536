/** OCI layouts: `oci-layout`, `index.json`, `blobs/` (OCI image specification 1.1, image-layout.md). */
import type { Digest } from '../values/index.ts'
import { chooseImage, type OciChoice } from './choose-image.ts'
import {
  findBlobFile,
  formatBlobDigest,
  readAnnotations,
  readBlobDocument,
  readDescriptor,
  readWhole
} from './descriptor.ts'
import type { OciImage, OciLayer } from './image.ts'
import type { ImageFiles } from './image-files.ts'
import { Json, showStart } from './json.ts'
import { isImageConfig, layerCompression } from './media-types.ts'
import { fitsPlatform, formatPlatform, type Platform, readPlatform } from './platform.ts'
import { readDiffIds } from './read-config.ts'
import { imageInvalid, imageUnsupported } from './refuse-image.ts'

/** Every layout has these two files, and no other folder has both. */
export const LAYOUT_FILE = 'oci-layout'
export const INDEX_FILE = 'index.json'

/** @throws StrataError SOURCE_INVALID, SOURCE_CHOICE, LIMIT_EXCEEDED, IO */
export async function readLayout(files: ImageFiles, choice: OciChoice): Promise<OciImage> {
  const version = (await readNamed(files, LAYOUT_FILE)).member('imageLayoutVersion')
  if (!version.text().startsWith('1.'))
    throw imageInvalid(version.where, `found "${showStart(version.text())}", wanted 1.0.0`)
  const { manifest, sha256, reference, platform } = await chooseImage(
    files,
    await readNamed(files, INDEX_FILE),
    choice
  )
  const config = await readConfig(files, manifest, platform)
  const blobs = manifest.member('layers').list()
  const diffIds = readDiffIds(config, blobs.length)
  return {
    sha256,
    reference,
    platform: readPlatform(config),
    annotations: readAnnotations(manifest),
    config,
    layers: blobs.map((blob, i) => readLayer(files, blob, `layer ${i + 1} of ${blobs.length}`, diffIds[i]))
  }
}

/** @throws StrataError SOURCE_INVALID */
export async function readNamed(files: ImageFiles, path: string): Promise<Json> {
  const file = files.find(path)
  const where = `${files.name}: ${showStart(path)}`
  if (file === undefined) throw imageInvalid(where, 'is missing')
  return Json.parse(await readWhole(file, where), where)
}

/** @param platform from the index */
async function readConfig(files: ImageFiles, manifest: Json, platform: Platform): Promise<Json> {
  const descriptor = readDescriptor(manifest.member('config'))
  if (!isImageConfig(descriptor.mediaType))
    throw imageUnsupported(
      manifest.where,
      `its config is "${showStart(descriptor.mediaType)}": an artifact and not an image with files`,
      '--ref chooses another'
    )
  const { document } = await readBlobDocument(
    files,
    descriptor,
    `config ${formatBlobDigest(descriptor.digest)}`
  )
  const own = readPlatform(document)
  if (!fitsPlatform(own, { os: platform.os, architecture: platform.architecture }))
    throw imageInvalid(
      document.where,
      `is for ${showStart(formatPlatform(own))}, but the index says ${showStart(formatPlatform(platform))}`
    )
  return document
}

function readLayer(files: ImageFiles, blob: Json, what: string, diffId: Digest): OciLayer {
  const descriptor = readDescriptor(blob)
  const part = `${what}, ${formatBlobDigest(descriptor.digest)}`
  const name = `${files.name}: ${part}`
  const compression = layerCompression(descriptor.mediaType, name)
  return { name, diffId, file: findBlobFile(files, descriptor, part), announced: { descriptor, compression } }
}
