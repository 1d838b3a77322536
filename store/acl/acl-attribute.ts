/** An ACL as an attribute of an open file. On a file system without ACLs, no file has one. */
import { getXattr, type NativeError, removeXattr } from '../../native/index.ts'
import type { ACCESS_ATTRIBUTE, DEFAULT_ATTRIBUTE } from './acl.ts'

type AclAttribute = typeof ACCESS_ATTRIBUTE | typeof DEFAULT_ATTRIBUTE

/** True if the error says that the file system keeps no ACLs. */
export const isUnsupported = (error: unknown): boolean =>
  ['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS'].includes((error as NativeError).code)

const isNone = (error: unknown): boolean => (error as NativeError).code === 'ENODATA' || isUnsupported(error)

/** The attribute's bytes, undecoded; undefined if there is none. */
export function storedAclBytes(fd: number, attribute: AclAttribute): Buffer | undefined {
  try {
    return getXattr(fd, '', attribute)
  } catch (error) {
    if (isNone(error)) return undefined
    throw error
  }
}

/** Removes the attribute if the file has it. */
export function removeStoredAcl(fd: number, attribute: AclAttribute): void {
  try {
    removeXattr(fd, '', attribute)
  } catch (error) {
    if (!isNone(error)) throw error
  }
}
