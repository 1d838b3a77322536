/** Where a module lies in a registry: `HOST/PREFIX/category/name`, the version as its tag (spec/registry.md#names). */

import type { CID } from 'multiformats/cid'
import { formatModuleName, type ModuleName } from '../module/index.ts'
import { formatRepository, type ImageReference, parseImageAddress } from '../registry/index.ts'
import { formatCid, StrataError, trimLast } from '../values/index.ts'

/** Where the modules of a site lie. */
export interface RemotePrefix {
  host: string
  /** `site/modules`; empty if the modules lie at the top. */
  path: string
}

/** A module below a prefix, to find the end of the prefix. */
const SOME_MODULE = 'x/x'

/** @param typed `HOST[/PREFIX]`, with `docker://` in front or without @throws StrataError REFERENCE_NAME */
export function parsePrefix(typed: string): RemotePrefix {
  const bare = trimLast(typed.replace(/^[a-z]+:\/\//, ''), '/')
  const { host, repository, tag } = placeBelow(bare, typed)
  if (tag !== 'latest' || /[:@]/.test(bare.slice(Math.max(host.length, bare.lastIndexOf('/')))))
    throw new StrataError('REFERENCE_NAME', {
      message: `"${typed}" has a tag or digest, but modules get theirs from their versions`,
      hint: 'HOST/PREFIX, such as registry.example.org/site/modules'
    })
  return { host, path: repository.slice(0, -SOME_MODULE.length - 1) }
}

/** The error speaks of the words that were typed. */
function placeBelow(bare: string, typed: string): ReturnType<typeof parseImageAddress> {
  const address = `oci://${bare}/${SOME_MODULE}`
  try {
    return parseImageAddress(address)
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    throw new StrataError(error.code, {
      message: error.message.replace(address, () => typed),
      facts: { reference: typed },
      hint: 'HOST/PREFIX, such as registry.example.org/site; it stands last: compose push MODULE HOST/PREFIX'
    })
  }
}

export const formatPrefix = ({ host, path }: RemotePrefix): string =>
  path === '' ? host : formatRepository({ host, repository: path })

/** Repository of all versions of a module. */
export const repositoryOf = (
  { host, path }: RemotePrefix,
  { category, name }: Pick<ModuleName, 'category' | 'name'>
): Pick<ImageReference, 'host' | 'repository'> => ({
  host,
  repository: [path, component(category), component(name)].filter(part => part !== '').join('/')
})

/** Separators that the grammar of registries allows between letters and digits. */
const SEPARATOR = /^(?:\.|_|__|-+)$/

/** Part of a repository's name for a part of a module's name; several of these may have the same. */
function component(part: string): string {
  const plain = part
    .toLowerCase()
    .replaceAll('+', '-plus')
    .replace(/[^a-z0-9]+/g, run => (SEPARATOR.test(run) ? run : '-'))
  return `${/^[a-z0-9]/.test(plain) ? '' : 'x'}${plain}${/[a-z0-9]$/.test(plain) ? '' : 'x'}`
}

/** A version as a tag: tags have no `+`. */
export const tagOfVersion = (version: string): string => version.replaceAll('+', '_')

/** The tag that every record has beside its version's, so that no collector takes its manifest. */
export const tagOfRecord = (record: CID): string => formatCid(record)

/** True if a module may stand under this repository and tag. */
export function isPlaceOf(
  { repository, tag }: Pick<ImageReference, 'repository' | 'tag'>,
  module: ModuleName,
  record: CID
): boolean {
  if (tag === tagOfRecord(record)) return true
  const [category, name] = repository.split('/').slice(-2)
  const isName = category === component(module.category) && name === component(module.name)
  return isName && (tag === undefined || tag === tagOfVersion(module.version))
}

export const showPlace = (prefix: RemotePrefix, module: ModuleName): string =>
  `${formatModuleName(module)} in ${formatPrefix(prefix)}`
