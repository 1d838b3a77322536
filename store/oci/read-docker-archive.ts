/**
 * Reads the archives of `docker save` up to version 24, `podman save` and `skopeo copy ... docker-archive:`. A
 * `manifest.json` lists for each image its config, its names, and the tarballs of its layers. The only digests are
 * those of the layers in the config, and the config's own, which is its name.
 */
import { type Digest, digestOf } from '../values/index.ts'
import { noSuchPlatform, noSuchReference, severalImages } from './choice-errors.ts'
import type { OciChoice } from './choose-image.ts'
import { readWhole } from './descriptor.ts'
import type { OciImage, OciLayer } from './image.ts'
import type { ImageFiles } from './image-files.ts'
import { Json, showStart } from './json.ts'
import { fitsPlatform, hostPlatform, readPlatform } from './platform.ts'
import { readDiffIds } from './read-config.ts'
import { readNamed } from './read-layout.ts'
import { isSameName, preferredName } from './reference.ts'
import { imageInvalid } from './refuse-image.ts'

export const DOCKER_MANIFEST = 'manifest.json'

interface SavedImage {
  entry: Json
  config: string
  names: string[]
}

/** @throws StrataError SOURCE_INVALID, SOURCE_CHOICE, LIMIT_EXCEEDED */
export async function readDockerArchive(
  files: ImageFiles,
  { reference, platform: wanted = hostPlatform() }: OciChoice
): Promise<OciImage> {
  const {
    entry,
    config: path,
    names
  } = chooseSaved(files, await readNamed(files, DOCKER_MANIFEST), reference)
  const { config, sha256 } = await readConfigFile(files, path)
  const platform = readPlatform(config)
  if (!fitsPlatform(platform, wanted)) throw noSuchPlatform(files.name, wanted, [platform])
  const paths = entry
    .member('Layers')
    .optionalList()
    .map(layer => layer.text())
  const diffIds = readDiffIds(config, paths.length)
  return {
    sha256,
    reference: preferredName(names, reference),
    platform,
    annotations: new Map(),
    config,
    layers: paths.map((layer, i) => readLayer(files, layer, `layer ${i + 1} of ${paths.length}`, diffIds[i]))
  }
}

function chooseSaved(files: ImageFiles, manifest: Json, reference: string | undefined): SavedImage {
  const images = manifest.list().map(entry => ({
    entry,
    config: entry.member('Config').text(),
    names: entry
      .member('RepoTags')
      .optionalList()
      .map(name => name.text())
  }))
  // An image without a name can be chosen by the hash in the name of its config.
  const nameOf = ({ names, config }: SavedImage) => names[0] ?? config
  if (images.length === 0) throw imageInvalid(manifest.where, 'lists no image')
  if (reference === undefined) {
    if (images.length > 1) throw severalImages(files.name, images.map(nameOf))
    return images[0]
  }
  const found = images.find(
    ({ names, config }) =>
      names.some(name => isSameName(name, reference)) || hexOf(config) === hexOf(reference)
  )
  if (found === undefined) throw noSuchReference(files.name, reference, images.map(nameOf))
  return found
}

/** The hash in the name of a file: `<hex>.json`, `sha256:<hex>`, `blobs/sha256/<hex>`. */
const hexOf = (path: string): string => /(?:^|[/:])([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1] ?? path

async function readConfigFile(files: ImageFiles, path: string): Promise<{ config: Json; sha256: Digest }> {
  const where = `${files.name}: config ${showStart(path)}`
  const file = files.find(checkArchivePath(path, where))
  if (file === undefined) throw imageInvalid(where, 'is missing')
  const bytes = await readWhole(file, where)
  const sha256 = digestOf(bytes)
  const named = hexOf(path)
  if (named !== path && named !== sha256)
    throw imageInvalid(where, `hashes to sha256:${sha256}: it is damaged`)
  return { config: Json.parse(bytes, where), sha256 }
}

function readLayer(files: ImageFiles, path: string, what: string, diffId: Digest): OciLayer {
  const name = `${files.name}: ${what}, ${showStart(path)}`
  const file = files.find(checkArchivePath(path, name))
  if (file === undefined) throw imageInvalid(name, 'is missing')
  return { name, file, diffId }
}

/** A path in the form of the archive's members. */
function checkArchivePath(path: string, where: string): string {
  const canonical = path.replace(/^\.\//, '')
  if (canonical.split('/').some(part => part === '' || part === '.' || part === '..'))
    throw imageInvalid(where, 'is not a path within the archive')
  return canonical
}
