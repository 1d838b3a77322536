import { detailsAt, type PathBytes, type Place, StrataError, showPath } from '../values/index.ts'

/** Limits of Linux (include/uapi/linux/limits.h: XATTR_NAME_MAX, XATTR_SIZE_MAX). */
export const MAX_NAME_BYTES = 255
export const MAX_VALUE_BYTES = 65_536

/** Full name, a byte string such as `user.x`, to its exact bytes. */
export type Attributes = Map<PathBytes, Uint8Array>

const NAMESPACES = ['user.', 'trusted.', 'security.']

/**
 * Checks that an attribute can be kept. The kernel computes those in `system.`; of these only the ACLs are kept, as
 * ACLs.
 * @throws StrataError ATTRIBUTE_INVALID: another namespace, an empty or too long name, a too long value
 */
export function validateAttribute(name: PathBytes, value: Uint8Array, where?: Place): void {
  const fault = attributeFault(name, value)
  if (fault === undefined) return
  const message = `attribute ${showPath(name)}: ${fault}`
  throw new StrataError('ATTRIBUTE_INVALID', where === undefined ? { message } : detailsAt(where, message))
}

function attributeFault(name: PathBytes, value: Uint8Array): string | undefined {
  const namespace = NAMESPACES.find(prefix => name.startsWith(prefix))
  if (namespace === undefined) return `expected a name that begins with ${NAMESPACES.join(', ')}`
  if (name === namespace) return `nothing after ${namespace}`
  if (name.includes('\0')) return 'a NUL byte in the name'
  if (name.length > MAX_NAME_BYTES)
    return `name of ${name.length} bytes, Linux stores at most ${MAX_NAME_BYTES}`
  if (value.length > MAX_VALUE_BYTES)
    return `value of ${value.length} bytes, Linux stores at most ${MAX_VALUE_BYTES}`
}
