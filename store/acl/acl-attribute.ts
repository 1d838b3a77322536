/** An ACL as an attribute of an open file. A file system that keeps none is one on which nobody has any. */
import { getXattr, type NativeError, removeXattr } from '../../native/index.ts'
import type { ACCESS_ATTRIBUTE, DEFAULT_ATTRIBUTE } from './acl.ts'

type AclAttribute = typeof ACCESS_ATTRIBUTE | typeof DEFAULT_ATTRIBUTE

/** Whether this is how a file system says that it keeps no ACLs. */
export const isUnsupported = (error: unknown): boolean =>
  ['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS'].includes((error as NativeError).code)

const isNone = (error: unknown): boolean => (error as NativeError).code === 'ENODATA' || isUnsupported(error)

/** Its bytes as they are, undefined where there is none. */
export function storedAclBytes(fd: number, attribute: AclAttribute): Buffer | undefined {
  try {
    return getXattr(fd, '', attribute)
  } catch (error) {
    if (isNone(error)) return undefined
    throw error
  }
}

/** Removes what there is of it. */
export function removeStoredAcl(fd: number, attribute: AclAttribute): void {
  try {
    removeXattr(fd, '', attribute)
  } catch (error) {
    if (!isNone(error)) throw error
  }
}
