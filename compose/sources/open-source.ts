/** What `compose import` can be pointed at, told by content (spec/sources.md). */
import { open } from 'node:fs/promises'
import { StrataError } from '../../store/errors.ts'
import { closeSources } from '../../store/import/import-module.ts'
import type { ModuleSource } from '../../store/import/module-source.ts'
import { openLayerSource, statSource } from '../../store/import/open-source.ts'
import { readSource } from '../../store/input/source.ts'
import { assertWritable, type Store } from '../../store/store.ts'
import { exists } from '../../store/temporary-file.ts'
import { openHostSource } from './host/host-source.ts'
import { IMAGE_KINDS } from './image-kinds.ts'
import { imageArchive, imageLayout, openPiped } from './oci-source.ts'
import { type OpenSourceOptions, type SourceFile, type SourceKind, START_BYTES } from './source-kind.ts'

/** In the order in which they are asked; what none of them knows is a tarball or a directory of files. */
const KINDS: SourceKind[] = [...IMAGE_KINDS, imageLayout, imageArchive]

/**
 * All sources of one import, bottom to top.
 * @throws StrataError STORE_READONLY; as openModuleSource, those that were opened are closed again then
 */
export async function openModuleSources(
  store: Store,
  paths: string[],
  options: OpenSourceOptions
): Promise<ModuleSource[]> {
  await assertWritable(store) // before anything is read: a source may take minutes to unpack
  const sources: ModuleSource[] = []
  let hasChoice = false
  try {
    for (const path of paths) {
      const { source, kind } = await openKnown(store, path, options)
      sources.push(source)
      hasChoice ||= kind?.hasChoice === true
    }
    if (options.host !== undefined) sources.push(await openHostSource(store, options.host, options))
    if (!hasChoice) refuseChoice(options)
    return sources
  } catch (error) {
    await closeSources(sources)
    throw error
  }
}

/**
 * @param path of a file or directory, `-` for a tarball on standard input, or `PATH:REFERENCE` for one of several
 *   images in a layout or archive
 * @throws StrataError IO, and what its kind of source throws
 */
export const openModuleSource = async (
  store: Store,
  path: string,
  options: OpenSourceOptions
): Promise<ModuleSource> => (await openKnown(store, path, options)).source

async function openKnown(
  store: Store,
  path: string,
  options: OpenSourceOptions
): Promise<{ source: ModuleSource; kind?: SourceKind }> {
  if (path === '-') return { source: await openPiped(store, readSource(path), options) }
  const { path: found, reference } = await splitReference(path)
  const file = await lookAt(found)
  for (const kind of KINDS)
    if (await kind.recognises(file)) {
      const chosen = reference === undefined ? options : { ...options, reference }
      return { source: await kind.open(store, file, chosen), kind }
    }
  if (reference !== undefined)
    throw new StrataError('USAGE', {
      message: `${path}: "${reference}" should name an image in ${found}, which is no OCI layout and no image archive`,
      hint: `compose import MODULE ${found}`
    })
  return { source: await openLayerSource(found, options) }
}

/** As skopeo writes it, `oci:PATH:REFERENCE` or without the transport. A path that is there wins. */
async function splitReference(typed: string): Promise<{ path: string; reference?: string }> {
  if (await exists(typed)) return { path: typed }
  const path = typed.replace(/^(oci|oci-archive|docker-archive):/, '')
  if (await exists(path)) return { path }
  // References hold colons too (`repo:tag`): the longest path that is there.
  for (let colon = path.lastIndexOf(':'); colon > 0; colon = path.lastIndexOf(':', colon - 1))
    if (await exists(path.slice(0, colon)))
      return { path: path.slice(0, colon), reference: path.slice(colon + 1) }
  return { path: typed }
}

async function lookAt(path: string): Promise<SourceFile> {
  const status = await statSource(path)
  if (!status.isFile()) return { path, status, start: Buffer.alloc(0) }
  const file = await open(path, 'r').catch(cause => {
    throw new StrataError('IO', { message: `${path} cannot be read: ${cause.message}`, cause })
  })
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(START_BYTES), 0, START_BYTES, 0)
    return { path, status, start: buffer.subarray(0, bytesRead) }
  } finally {
    await file.close()
  }
}

function refuseChoice({ reference, platform }: OpenSourceOptions): void {
  const flag = reference !== undefined ? '--ref' : platform !== undefined ? '--platform' : undefined
  if (flag === undefined) return
  throw new StrataError('USAGE', {
    message: `${flag} chooses an image of an OCI layout or image archive, but no source is one`
  })
}
