/**
 * The extended attributes of an open inode, ACLs among them.
 *
 * Values come by fs-xattr: it follows links, but of `/proc/self/fd/N` only to the inode itself. Names come by
 * our own call: fs-xattr decodes them as UTF-8, which loses other bytes, and its two calls by path take 13 us
 * for each entry instead of 4, when most entries have no attribute at all (100,000 small files, two cores).
 */
import { getAttributeSync } from 'fs-xattr'
import { getXattr, listXattr, type NativeError } from '../../native/index.ts'
import { StrataError } from '../errors.ts'
import { type PathBytes, pathToText, showPath } from '../path-bytes.ts'
import type { DirectorySource } from './source.ts'

/** Called once for each thing that is left out. */
export type OnSkip = (path: PathBytes, reason: string) => void

export type Attributes = Map<string, Uint8Array>

const ACL_NAMES = new Set(['system.posix_acl_access', 'system.posix_acl_default'])

/** What a SquashFS image can hold. */
const STORED_NAMESPACE = /^(user|trusted|security)\./

/** Where Lustre's servers put a file's stripes and its identity: true of one file on one file system. */
const LUSTRE_NAME = /^trusted\.(lov|lma|lmv|dmv|link|som|hsm)$/

/**
 * Names in byte order; empty where there are none. Without CAP_SYS_ADMIN the kernel does not list `trusted.`.
 * @throws StrataError ATTRIBUTE_INVALID for one that has no form here and matters, such as an NFSv4 ACL
 */
export function readAttributes(
  fd: number,
  path: PathBytes,
  source: DirectorySource,
  onSkip: OnSkip
): Attributes {
  const attributes: Attributes = new Map()
  for (const name of source.attempt(path, () => listNames(fd)).sort()) {
    const reason = reasonToSkip(name, path, source)
    if (reason === undefined)
      attributes.set(
        name,
        source.attempt(path, () => readValue(fd, name))
      )
    else onSkip(path, reason)
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

/** @returns why the attribute is left out, undefined where it is kept */
export function reasonToSkip(name: string, path: PathBytes, source: DirectorySource): string | undefined {
  if (ACL_NAMES.has(name)) return undefined
  if (LUSTRE_NAME.test(name)) return `attribute ${name} describes storage on a Lustre server`
  if (STORED_NAMESPACE.test(name)) return undefined
  // Every system. attribute changes who may do what (system.nfs4_acl, system.richacl): leaving it out could
  // widen access.
  if (name.startsWith('system.')) {
    throw new StrataError('ATTRIBUTE_INVALID', {
      message: `${source.name(path)} has the attribute ${showPath(name)}, which has no form in a layer`,
      facts: source.facts(path),
      hint: 'copy the directory to a file system with POSIX ACLs, set them there, and import the copy'
    })
  }
  return `attribute ${showPath(name)} belongs to the file system it is on`
}
