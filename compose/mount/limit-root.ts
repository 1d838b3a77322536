/**
 * Who may enter a mounted tree at all: the audience of the image, or for an image that is made to be mounted, those
 * whom all its modules admit (spec/erofs.md#root). Inside, the stored ACLs decide.
 */
import { type AclEntry, aclOf } from '../../store/acl/index.ts'
import { Kind } from '../../store/object/index.ts'
import {
  type Audience,
  audienceOfRestrictions,
  EVERYONE,
  groupsOf,
  modeFor,
  type Restriction
} from '../audience/index.ts'
import type { LimitRoot } from './metadata-of-image.ts'

const ALL = 7
const ENTER = 5

/** @returns undefined if everyone may whom the root of the tree admits */
export function limitRootTo(audience: Audience, restrictions: Restriction[]): LimitRoot | undefined {
  const admitted = audience.kind === 'mounted' ? audienceOfRestrictions(restrictions).audience : audience
  if (admitted.kind === 'everyone') return undefined
  return stored => {
    const mode = modeFor(EVERYONE, { ...stored, kind: Kind.directory })
    const perm = (mode >> 6) & (mode >> 3) & mode & ENTER
    return aclOf([
      { tag: 'user_obj', perm: ALL },
      ...entriesFor(admitted, perm),
      { tag: 'group_obj', perm: 0 },
      { tag: 'mask', perm },
      { tag: 'other', perm: 0 }
    ])
  }
}

const entriesFor = (admitted: Audience, perm: number): AclEntry[] =>
  admitted.kind === 'user'
    ? [{ tag: 'user', id: admitted.uid, perm }]
    : groupsOf(admitted).map(({ gid }) => ({ tag: 'group', id: gid, perm }))
