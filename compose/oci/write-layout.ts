/** A stack as an OCI image layout (OCI image-spec, image-layout.md; spec/outputs.md#oci). */
import type { TarSource } from '../tar/tar-pieces.ts'
import { architectureOf } from './architecture.ts'
import { type ConfigInput, imageConfig } from './image-config.ts'
import { type Descriptor, LayoutFolder } from './layout-folder.ts'
import { type WriteLayersOptions, type WrittenLayer, writeLayers } from './write-layers.ts'

const CONFIG = 'application/vnd.oci.image.config.v1+json'
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'

export interface LayoutOptions extends WriteLayersOptions, Pick<ConfigInput, 'records' | 'history' | 'bare'> {
  /** A folder that is not there. */
  target: string
  /** The image's name in the index. */
  tag: string
  sync: boolean
  /** Sets the access of the finished folder, before it has its name. */
  admit: (fd: number) => void
}

export interface WrittenLayout {
  architecture: string
  config: Descriptor
  manifest: Descriptor
  layers: WrittenLayer[]
}

/**
 * Whole or absent; the bytes depend on the tree, its layers and the options alone.
 * @throws StrataError OUTPUT_EXISTS, OBJECT_CORRUPT, IO
 */
export async function writeLayout(source: TarSource, options: LayoutOptions): Promise<WrittenLayout> {
  const { target, tag, sync, admit, records, history, bare } = options
  const architecture = architectureOf(source.tree, source.data)
  const folder = await LayoutFolder.create(target, sync)
  try {
    const layers = await writeLayers(source, folder, options)
    const config = await folder.addDocument(
      CONFIG,
      imageConfig({ architecture, records, layers, history, bare })
    )
    const manifest = await folder.addDocument(MANIFEST, {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config,
      layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }))
    })
    await folder.addFile('index.json', {
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [
        {
          ...manifest,
          annotations: { 'org.opencontainers.image.ref.name': tag },
          platform: { architecture, os: 'linux' }
        }
      ]
    })
    await folder.addFile('oci-layout', { imageLayoutVersion: '1.0.0' })
    await folder.publish(admit)
    return { architecture, config, manifest, layers }
  } finally {
    await folder.discard()
  }
}
