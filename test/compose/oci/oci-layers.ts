import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface LayoutLayer {
  mediaType: string
  digest: string
  size: number
  /** From the config. */
  diffId: string
}

/** Documents of OCI, whose members the tests name. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Json = any

export const readBlobJson = (layout: string, digest: string): Json =>
  JSON.parse(readFileSync(join(layout, 'blobs/sha256', digest.slice('sha256:'.length)), 'utf8'))

export function readLayout(layout: string): {
  index: Json
  manifest: Json
  config: Json
  layers: LayoutLayer[]
} {
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
  const manifest = readBlobJson(layout, index.manifests[0].digest)
  const config = readBlobJson(layout, manifest.config.digest)
  const layers = manifest.layers.map((layer: LayoutLayer, i: number) => ({
    ...layer,
    diffId: config.rootfs.diff_ids[i]
  }))
  return { index, manifest, config, layers }
}

/** The tars of a layout, unpacked by the programs of their media types, beside each other in `folder`. */
export function layerTars(layout: string, folder: string): string[] {
  return readLayout(layout).layers.map(({ mediaType, digest }, i) => {
    const tar = join(folder, `layer${i}.tar`)
    const program = mediaType.endsWith('+zstd')
      ? 'zstd -dc'
      : mediaType.endsWith('+gzip')
        ? 'gzip -dc'
        : 'cat'
    const blob = join(layout, 'blobs/sha256', digest.slice('sha256:'.length))
    execFileSync('sh', ['-c', `${program} < "$1" > "$2"`, 'sh', blob, tar])
    return tar
  })
}
