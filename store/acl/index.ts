/** POSIX ACLs and extended attributes: their listings, their binary form, the sidecar (spec/sidecar.md). */

export {
  ACCESS_ATTRIBUTE,
  type Acl,
  type AclEntry,
  type AclTag,
  aclOf,
  DEFAULT_ATTRIBUTE,
  decodeAcl,
  encodeAcl,
  entryName,
  firstDifference,
  isMinimal,
  isNamed,
  minimalAcl,
  modeOf
} from './acl.ts'
export { isUnsupported, removeStoredAcl, storedAclBytes } from './acl-attribute.ts'
export { type AccessAndDefault, formatAclLine, parseAclRecords } from './acl-text.ts'
export { type GuardedDirectory, rightsDenied, rightsDeniedBelow } from './admits-fewer.ts'
export { type Attributes, validateAttribute } from './attribute.ts'
export { type AttributeCount, AttributeTally } from './attribute-tally.ts'
export { CAPABILITY_ATTRIBUTE, encodeCapabilities } from './capabilities.ts'
export { escapeBytes, GETFACL_NAMES } from './escape.ts'
export { type ForeignAttribute, foreignAttribute, HOST_LABELS, repeatsMode } from './foreign-attribute.ts'
export { formatGetfacl, type GetfaclBlock, parseGetfacl, type WritableBlock } from './getfacl-text.ts'
export { formatGetfattr, type GetfattrBlock, parseGetfattr, splitAclAttributes } from './getfattr-text.ts'
export { ALL, classOf, common, type Grants, grantsOf, rightsOf } from './grants.ts'
export type { Sidecar, SidecarEntry } from './sidecar.ts'
export { decodeSidecar } from './sidecar-decode.ts'
export { encodeSidecar } from './sidecar-encode.ts'
export { mostSidecarBytes, refuseManyValues } from './sidecar-size.ts'
