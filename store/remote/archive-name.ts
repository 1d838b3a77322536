/** `oci-archive:FILE[:NAME]`, as skopeo and podman write it (spec/registry.md#archives). */
import type { ImageReference } from '../registry/index.ts'
import { StrataError } from '../values/index.ts'

export const ARCHIVE = 'oci-archive:'
/** Names a manifest of a layout (OCI image specification, annotations). */
export const REF_NAME = 'org.opencontainers.image.ref.name'

export interface ArchiveName {
  file: string
  /** Of a manifest in it. */
  name?: string
}

export const isArchiveName = (word: string): boolean => word.startsWith(ARCHIVE)

/** @throws StrataError USAGE */
export function parseArchiveName(word: string): ArchiveName {
  const [file, ...rest] = word.slice(ARCHIVE.length).split(':')
  const name = rest.join(':')
  if (file === '' || (rest.length > 0 && !NAME.test(name)))
    throw new StrataError('USAGE', {
      message: `"${word}" is not an archive: wanted a file, and perhaps a name in it`,
      hint: 'oci-archive:FILE, or oci-archive:FILE:NAME, such as oci-archive:vasp.tar:vasp:6.4'
    })
  return { file, ...(rest.length > 0 && { name }) }
}

/** What skopeo and podman take as the name of an image in a layout. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,200}$/

/** The name of what a registry has in a repository under a tag. */
export const refName = (repository: string, tag: string): string =>
  repository === '' ? tag : `${repository}:${tag}`

/** Where a lock or an image goes in an archive. */
export function placeInArchive(word: string): ImageReference & { tag: string } {
  const { file, name = 'latest' } = parseArchiveName(word)
  const colon = name.lastIndexOf(':')
  return {
    host: `${ARCHIVE}${file}`,
    repository: name.slice(0, Math.max(0, colon)),
    tag: name.slice(colon + 1)
  }
}
