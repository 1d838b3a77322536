/**
 * The extended attributes of an open inode, ACLs among them.
 *
 * Values are read by fs-xattr: it follows links, but `/proc/self/fd/N` leads only to the inode itself. Names are read
 * by our own call: fs-xattr decodes them as UTF-8, which loses other bytes. Its two calls by path also take 13 us for
 * each entry instead of 4, although most entries have no attribute at all (100,000 small files, two cores).
 */
import { getAttributeSync } from 'fs-xattr'
import { getXattr, listXattr, type NativeError } from '../../native/index.ts'
import {
  ACCESS_ATTRIBUTE,
  type Attributes,
  DEFAULT_ATTRIBUTE,
  type ForeignAttribute,
  foreignAttribute,
  repeatsMode
} from '../acl/index.ts'
import { type PathBytes, pathToText, StrataError, showPath } from '../values/index.ts'
import type { DirectorySource } from './directory-source.ts'

const ACL_NAMES: ReadonlySet<PathBytes> = new Set([ACCESS_ATTRIBUTE, DEFAULT_ATTRIBUTE])

/** Called for each entry that is left out. */
export type OnSkip = (path: PathBytes, reason: string) => void

/** Called for each attribute that is left out, unless the mode or the ACL says the same. */
export type OnLeftOut = (name: PathBytes, foreign: ForeignAttribute, path: PathBytes) => void

/** The open inode, with the path and mode for checks and messages. */
export interface AttributesOf {
  fd: number
  path: PathBytes
  mode: number
}

/**
 * Names are in byte order; the map is empty if there are none. Without CAP_SYS_ADMIN the kernel does not list
 * `trusted.`. Attributes that a file system keeps for itself are left out (spec/attributes.md).
 * @throws StrataError ATTRIBUTE_INVALID for one that matters but has no form in a layer, such as an NFSv4 ACL
 */
export function readAttributes(
  { fd, path, mode }: AttributesOf,
  source: DirectorySource,
  onLeftOut: OnLeftOut
): Attributes {
  const attributes: Attributes = new Map()
  for (const name of source.attempt(path, () => listNames(fd)).sort()) {
    const foreign = ACL_NAMES.has(name) ? undefined : foreignAttribute(name)
    const value = () => source.attempt(path, () => readValue(fd, name))
    if (foreign === undefined) attributes.set(name, value())
    else if (foreign.meaning === 'storage') onLeftOut(name, foreign, path)
    else if (foreign.meaning === 'rights' && !repeatsMode(name, value(), mode))
      throw hasNoForm(name, foreign, path, source)
  }
  return attributes
}

function listNames(fd: number): string[] {
  try {
    return listXattr(fd, '')
  } catch (error) {
    if ((error as NativeError).code === 'EOPNOTSUPP') return [] // a file system without attributes
    throw error
  }
}

function readValue(fd: number, name: string): Uint8Array {
  const text = pathToText(name)
  return text === undefined ? getXattr(fd, '', name) : getAttributeSync(`/proc/self/fd/${fd}`, text)
}

/** Such an attribute is refused, because leaving it out could widen access. */
const hasNoForm = (
  name: PathBytes,
  { what }: ForeignAttribute,
  path: PathBytes,
  source: DirectorySource
): StrataError =>
  new StrataError('ATTRIBUTE_INVALID', {
    message: `${source.name(path)} has the attribute ${showPath(name)} (${what}), which has no form in a layer`,
    facts: source.facts(path),
    hint: 'copy the directory to a file system with POSIX ACLs, set them there, and import the copy'
  })
