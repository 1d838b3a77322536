/** Writes a stack as an OCI image layout (OCI image-spec, image-layout.md; spec/outputs.md#oci). */
import type { TarSource } from '../tar/index.ts'
import { architectureOf } from './architecture.ts'
import { BegunLayout, type LayoutTarget } from './copied-layers.ts'
import { type ConfigInput, imageConfig } from './image-config.ts'
import type { Descriptor, WrittenLayer } from './layout-writer.ts'
import { type WriteLayersOptions, writeLayers } from './write-layers.ts'

const CONFIG = 'application/vnd.oci.image.config.v1+json'
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'

export interface LayoutOptions
  extends WriteLayersOptions,
    LayoutTarget,
    Pick<ConfigInput, 'records' | 'history' | 'bare'> {
  /** Name of the image in the index. */
  tag: string
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
 * Begins and finishes a layout. It is complete or absent, and its bytes depend only on the tree, its layers and the
 * options.
 * @throws StrataError OUTPUT_EXISTS, OBJECT_CORRUPT, IO
 */
export async function writeLayout(source: TarSource, options: LayoutOptions): Promise<WrittenLayout> {
  const layout = await BegunLayout.begin(options)
  try {
    return await finishLayout(source, layout, options)
  } finally {
    await layout.discard()
  }
}

/** @throws StrataError OBJECT_CORRUPT, IO; then the folder still has its temporary name and has to be discarded */
export async function finishLayout(
  source: TarSource,
  layout: BegunLayout,
  options: Omit<LayoutOptions, 'target' | 'sync'>
): Promise<WrittenLayout> {
  const { tag, admit, records, history, bare } = options
  const { folder } = layout
  const architecture = architectureOf(source.tree, source.data)
  const layers = await writeLayers(source, layout, options)
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
}
