/** Images in registries as sources: `docker://` and `oci://` (spec/registry.md#images). */
import type { ModuleSource } from '../../store/import/index.ts'
import { type ImageSourceOptions, openImageSource, RegistryFiles, readLayout } from '../../store/oci/index.ts'
import {
  findTypedImage,
  formatReference,
  parseImageAddress,
  type RegistrySettings
} from '../../store/registry/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { type Digest, StrataError } from '../../store/values/index.ts'
import { openAbove } from './oci-source.ts'
import type { OpenSourceOptions } from './source-kind.ts'

/** Settings of a user who gave no flags. */
const usualSettings = (): RegistrySettings => ({ environment: process.env, tlsCa: [] })

/** @throws StrataError REFERENCE_NAME, REGISTRY_…, SOURCE_INVALID, SOURCE_CHOICE */
export async function openRegistrySource(
  store: Repository,
  typed: string,
  options: OpenSourceOptions
): Promise<ModuleSource> {
  const { registry = usualSettings(), reference: unused, ...choice } = options
  if (unused !== undefined)
    throw new StrataError('USAGE', {
      message: `--ref chooses an image of an OCI layout or image archive, but ${typed} names one`
    })
  const reference = parseImageAddress(typed)
  const { digest: _digest, ...named } = reference
  const imageOptions: ImageSourceOptions = { ...choice, stored: tar => storedTarball(store, tar) }
  return openAbove(store, options, async base => {
    const found = await findTypedImage(reference, registry)
    // The record has the digest of the manifest. So it is the same whether the digest was typed or found by its tag.
    const files = new RegistryFiles(found, {
      name: `docker://${formatReference(reference)}`,
      reference: formatReference(named)
    })
    const source = await openImageSource(files, imageOptions, base)
    return { ...source, notes: [...found.notes, ...(source.notes ?? [])] }
  })
}

/**
 * The manifest that an address leads to.
 * @throws StrataError as openRegistrySource
 */
export async function resolveImage(
  typed: string,
  { registry, platform }: Pick<OpenSourceOptions, 'platform'> & { registry: RegistrySettings }
): Promise<{ digest: string; notes: string[] }> {
  const reference = parseImageAddress(typed)
  const found = await findTypedImage(reference, registry)
  const name = formatReference(reference)
  const files = new RegistryFiles(found, { name: `docker://${name}`, reference: name })
  try {
    const { sha256 } = await readLayout(files, { platform })
    return { digest: `sha256:${sha256}`, notes: found.notes }
  } finally {
    await files.close()
  }
}

/** Reads a tarball of the store once to its end, so that a damaged one is fetched again. */
async function storedTarball(
  store: Repository,
  tar: Digest
): Promise<(() => AsyncIterable<Uint8Array>) | undefined> {
  if (store.findBlob(tar) === undefined) return undefined
  try {
    for await (const _piece of store.readBlob(tar));
  } catch (error) {
    if (error instanceof StrataError) return undefined
    throw error
  }
  return () => store.readBlob(tar)
}
