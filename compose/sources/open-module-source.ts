/** Opens the sources of `compose import`, recognised by their content (spec/sources.md). */

import { open } from 'node:fs/promises'
import { exists } from '../../store/disk/index.ts'
import { closeSources, type ModuleSource, openLayerSource, statSource } from '../../store/import/index.ts'
import { readSource } from '../../store/input/index.ts'
import { isImageAddress } from '../../store/registry/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError, systemWords } from '../../store/values/index.ts'
import { openHostSource } from './host/index.ts'
import { IMAGE_KINDS } from './image-kinds.ts'
import { imageArchive, imageLayout, openPiped } from './oci-source.ts'
import { type OpenSourceOptions, type SourceFile, type SourceKind, START_BYTES } from './source-kind.ts'

/**
 * Kinds in the order in which they are tried. A file of no kind is a tarball, and a directory is a directory of
 * files.
 */
const KINDS: SourceKind[] = [...IMAGE_KINDS, imageLayout, imageArchive]

/** What flags apply to an image in a registry. */
const IN_REGISTRY: SourceKind = {
  ...imageLayout,
  recognises: () => false // told by its address, before any file is looked at
}

/**
 * Opens all sources of an import, bottom to top.
 * @throws StrataError STORE_READONLY; as openModuleSource; then all opened sources are closed
 */
export async function openModuleSources(
  store: Repository,
  paths: string[],
  options: OpenSourceOptions
): Promise<ModuleSource[]> {
  await store.assertWritable() // before anything is read, because unpacking a source may take minutes
  const sources: ModuleSource[] = []
  const kinds: (SourceKind | undefined)[] = []
  try {
    for (const path of paths) {
      const { source, kind } = await openKnown(store, path, options)
      sources.push(source)
      kinds.push(kind)
    }
    if (options.host !== undefined) sources.push(await openHostSource(store, options.host, options))
    refuseUnused(options, kinds)
    return sources
  } catch (error) {
    await closeSources(sources)
    throw error
  }
}

/**
 * @param path a file or directory, `-` for a tarball on standard input, or `PATH:REFERENCE` for one of several images
 * in a layout or archive
 * @throws StrataError IO, and errors of the kind of source
 */
export const openModuleSource = async (
  store: Repository,
  path: string,
  options: OpenSourceOptions
): Promise<ModuleSource> => (await openKnown(store, path, options)).source

async function openKnown(
  store: Repository,
  path: string,
  options: OpenSourceOptions
): Promise<{ source: ModuleSource; kind?: SourceKind }> {
  if (path === '-') return { source: await openPiped(store, readSource(path), options) }
  if (isImageAddress(path)) {
    const { openRegistrySource } = await import('./registry-source.ts')
    return { source: await openRegistrySource(store, path, options), kind: IN_REGISTRY }
  }
  const { path: found, reference } = await splitReference(path)
  const file = await lookAt(found)
  for (const kind of KINDS)
    if (await kind.recognises(file)) {
      const chosen = reference === undefined ? options : { ...options, reference }
      return { source: await kind.open(store, file, chosen), kind }
    }
  const [transport] = /^(oci|oci-archive|docker-archive)(?=:)/.exec(path) ?? []
  if (reference === undefined && found !== path && transport !== undefined)
    throw new StrataError('SOURCE_INVALID', {
      message: `${found} is not what ${transport}: names, an OCI layout or image archive`,
      facts: { file: found },
      hint: `compose import MODULE ${found} takes it for what it is`
    })
  if (reference !== undefined)
    throw new StrataError('USAGE', {
      message: `${path}: "${reference}" should name an image in ${found}, which is not an OCI layout or image archive`,
      hint: `compose import MODULE ${found}`
    })
  return { source: await openLayerSource(found, options) }
}

/** Splits `oci:PATH:REFERENCE` as skopeo writes it, also without the transport. An existing path wins. */
export async function splitReference(typed: string): Promise<{ path: string; reference?: string }> {
  if (await exists(typed)) return { path: typed }
  const path = typed.replace(/^(oci|oci-archive|docker-archive):/, '')
  if (await exists(path)) return { path }
  // References contain colons, too (`repo:tag`), so the longest existing path is taken.
  for (let colon = path.lastIndexOf(':'); colon > 0; colon = path.lastIndexOf(':', colon - 1))
    if (await exists(path.slice(0, colon)))
      return { path: path.slice(0, colon), reference: path.slice(colon + 1) }
  return { path: typed }
}

async function lookAt(path: string): Promise<SourceFile> {
  const status = await statSource(path)
  if (!status.isFile()) return { path, status, start: Buffer.alloc(0) }
  const file = await open(path, 'r').catch(cause => {
    throw new StrataError('IO', { message: `${path} cannot be read: ${systemWords(cause)}`, cause })
  })
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(START_BYTES), 0, START_BYTES, 0)
    return { path, status, start: buffer.subarray(0, bytesRead) }
  } finally {
    await file.close()
  }
}

/** @throws StrataError USAGE for a flag that applies to no source */
function refuseUnused(options: OpenSourceOptions, kinds: (SourceKind | undefined)[]): void {
  const { reference, platform, base = [], flatten, host } = options
  const refuse = (flag: string, what: string) => {
    throw new StrataError('USAGE', { message: `${flag} ${what}, but there is no such source` })
  }
  const isThere = (says: 'hasChoice' | 'hasBase' | 'hasChanges') => kinds.some(kind => kind?.[says] === true)
  if (!isThere('hasChoice')) {
    if (reference !== undefined) refuse('--ref', 'chooses an image of an OCI layout or image archive')
    if (platform !== undefined) refuse('--platform', 'chooses an image of an OCI layout or image archive')
  }
  if (base.length > 0 && host === undefined && !isThere('hasBase'))
    refuse('--base', 'leaves out the parts of an OCI layout, an image archive or this host that a base has')
  if (flatten && !isThere('hasChanges')) refuse('--flatten', 'imports the whole tree of a sandbox')
}
