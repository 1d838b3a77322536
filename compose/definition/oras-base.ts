/** Images that `apptainer push` or `compose push` put into a registry as they are (spec/definitions.md#bootstrap). */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type FoundImage, findImage, formatReference, parseImageAddress } from '../../store/registry/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { SIF_LAYER, SQUASHFS_LAYER } from '../outputs/index.ts'
import { type BaseOptions, madeBase, type StageBase } from './imported-base.ts'

/** Apptainer's, its old spelling, and ours. */
const LAYER_TYPES = [SIF_LAYER, 'appliciation/vnd.sylabs.sif.layer.tar', SQUASHFS_LAYER]

interface Layer {
  digest: string
  size: number
}

/** @throws StrataError REFERENCE_NAME, REGISTRY_…, SOURCE_INVALID for what is no image file */
export async function orasBase(store: Repository, from: string, options: BaseOptions): Promise<StageBase> {
  const reference = parseImageAddress(`docker://${from.replace(/^\/+/, '')}`)
  const name = `oras://${formatReference(reference)}`
  const found = await findImage(reference, options.registry)
  for (const note of found.notes) options.note(note)
  try {
    const layer = layerOf(found, name)
    const key = createHash('sha256').update(`oras\n${store.root}\n${layer.digest}`).digest('hex')
    return await madeBase(store, { name, key }, options, () => fetchLayer(found, layer, name, options))
  } finally {
    await found.repository.close()
  }
}

function layerOf({ top }: FoundImage, name: string): Layer {
  const layers = layersIn(top.bytes).filter(({ mediaType }) => LAYER_TYPES.includes(String(mediaType)))
  const [{ digest, size } = {}] = layers
  if (layers.length === 1 && /^sha256:[0-9a-f]{64}$/.test(String(digest)) && Number.isSafeInteger(size))
    return { digest: String(digest), size: Number(size) }
  throw new StrataError('SOURCE_INVALID', {
    message: `${name} has ${layers.length} image files of Apptainer, wanted one`,
    facts: { reference: name },
    hint: 'Bootstrap: docker reads images that consist of layers'
  })
}

/** What is no JSON, or of another form, has no layers. */
function layersIn(manifest: Buffer): Record<string, unknown>[] {
  try {
    const { layers } = JSON.parse(manifest.toString()) as { layers?: unknown }
    return Array.isArray(layers) ? layers.filter(each => typeof each === 'object' && each !== null) : []
  } catch {
    return []
  }
}

/** @returns the path of the image file, whose bytes have the digest */
async function fetchLayer(
  { repository }: FoundImage,
  { digest, size }: Layer,
  name: string,
  { work, onImport }: BaseOptions
): Promise<string> {
  const file = join(work, 'oras.img')
  const hash = createHash('sha256')
  async function* checked(): AsyncGenerator<Uint8Array> {
    let bytesRead = 0
    for await (const piece of repository.readBlob(digest, size)) {
      hash.update(piece)
      bytesRead += piece.length
      onImport({ source: name, bytesRead, bytesTotal: size })
      yield piece
    }
  }
  await pipeline(checked(), createWriteStream(file, { mode: 0o600 }))
  if (`sha256:${hash.digest('hex')}` === digest) return file
  throw new StrataError('REGISTRY_INVALID', {
    message: `the image file of ${name} does not hash to ${digest}`,
    facts: { reference: name },
    hint: 'build again; push the image again if it stays so'
  })
}
