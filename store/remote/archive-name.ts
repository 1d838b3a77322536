/** `oci-archive:FILE[:NAME]` and `oci:FOLDER[:NAME]`, as skopeo and podman write them (spec/registry.md#archives). */
import type { ImageReference } from '../registry/index.ts'
import { StrataError } from '../values/index.ts'

const ARCHIVE = 'oci-archive:'
const LAYOUT = 'oci:'
/** Names a manifest of a layout (OCI image specification, annotations). */
export const REF_NAME = 'org.opencontainers.image.ref.name'

export interface ArchiveName {
  /** A tar of an OCI layout, or the layout itself, a folder. */
  form: 'archive' | 'layout'
  file: string
  /** Of a manifest in it. */
  name?: string
}

/** `oci://HOST/…` is an image in a registry. */
export const isArchiveName = (word: string): boolean =>
  word.startsWith(ARCHIVE) || (word.startsWith(LAYOUT) && !word.startsWith(`${LAYOUT}//`))

/** In messages and references, in the place of a registry's host. */
export const archiveHost = ({ form, file }: ArchiveName): string =>
  `${form === 'layout' ? LAYOUT : ARCHIVE}${file}`

/** @throws StrataError USAGE */
export function parseArchiveName(word: string): ArchiveName {
  const form = word.startsWith(ARCHIVE) ? 'archive' : 'layout'
  const [file, ...rest] = word.slice((form === 'archive' ? ARCHIVE : LAYOUT).length).split(':')
  const name = rest.join(':')
  if (file === '' || (rest.length > 0 && !NAME.test(name)))
    throw new StrataError('USAGE', {
      message: `"${word}" is not an archive: wanted a file or folder, and perhaps a name in it`,
      hint: 'oci-archive:FILE[:NAME], such as oci-archive:vasp.tar:vasp:6.4, or oci:FOLDER[:NAME]'
    })
  return { form, file, ...(rest.length > 0 && { name }) }
}

/** What skopeo and podman take as the name of an image in a layout. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,200}$/

/** The name of what a registry has in a repository under a tag. */
export const refName = (repository: string, tag: string): string =>
  repository === '' ? tag : `${repository}:${tag}`

/** Where a lock or an image goes in an archive. */
export function placeInArchive(word: string): ImageReference & { tag: string } {
  const archive = parseArchiveName(word)
  const { name = 'latest' } = archive
  const colon = name.lastIndexOf(':')
  return {
    host: archiveHost(archive),
    repository: name.slice(0, Math.max(0, colon)),
    tag: name.slice(colon + 1)
  }
}
