/**
 * Decides the access of a directory that two modules bring (spec/merge.md#fewer). It is the lower module's, as long
 * as the upper module admits everybody that the lower one admits. Otherwise the image would open a directory that a
 * module keeps closed.
 */
import {
  type Acl,
  decodeAcl,
  type GuardedDirectory,
  minimalAcl,
  rightsDenied,
  rightsDeniedBelow
} from '../../store/acl/index.ts'
import { aclAt } from '../../store/object/index.ts'
import type { Located } from './compare.ts'

/** keep: the lower module's access. narrow: that of the module which admits fewer. replace: the upper module's. */
export type DirectoryRule = 'keep' | 'narrow' | 'replace'

/** Describes how the upper module's directory admits fewer users than the lower one's, as the end of a sentence. */
export interface Fewer {
  reason: string
  /** True if the lower directory admits nobody that the upper one does not. */
  isContained: boolean
}

/** Undefined if the lower module's access may stay. */
export function admitsFewer(upper: Located, lower: Located): Fewer | undefined {
  const [above, below] = [accessOf(upper), accessOf(lower)]
  const now = rightsDenied(above, below)
  if (now === 0 && rightsDeniedBelow(above.default, below.default) === 0) return undefined
  const isContained =
    rightsDenied(below, above) === 0 && rightsDeniedBelow(below.default, above.default) === 0
  const than = isContained ? 'admits fewer than' : 'admits others than'
  return {
    reason:
      now === 0
        ? `its default ACL ${than} that of the lower`
        : `${showAccess(above)} ${than} ${showAccess(below)}`,
    isContained
  }
}

interface Access extends GuardedDirectory {
  hasAcl: boolean
  default?: Acl
}

function accessOf({ index, inode }: Located): Access {
  const [access, byDefault] = (['access', 'default'] as const).map(which => aclAt(index, inode, which))
  const mode = index.mode[inode]
  return {
    mode,
    uid: index.uid[inode],
    gid: index.gid[inode],
    access: access === undefined ? minimalAcl(mode) : decodeAcl(access),
    hasAcl: access !== undefined,
    ...(byDefault && { default: decodeAcl(byDefault) })
  }
}

const showAccess = ({ mode, uid, gid, hasAcl }: Access): string =>
  `${mode.toString(8).padStart(4, '0')} ${uid}:${gid}${hasAcl ? ' with an ACL' : ''}`
