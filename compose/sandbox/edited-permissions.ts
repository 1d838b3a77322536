/**
 * Applies a chmod or setfacl in a sandbox to the stored permissions (spec/sandbox.md#edits). Where stored and applied
 * permissions differ, only the user's changes are taken over, bit by bit: after `chmod g+w` on a file that is stored
 * as 4750 and applied as 0700, the stored mode is 4770.
 */
import {
  type Acl,
  type AclEntry,
  aclOf,
  entryName,
  isMinimal,
  minimalAcl,
  modeOf
} from '../../store/acl/index.ts'

export interface Permissions {
  /** 0..0o7777; with an ACL, the group bits are its mask. */
  mode: number
  access?: Acl
}

const SPECIAL = 0o7000
const MASK = 'mask'
const GROUP = entryName({ tag: 'group_obj', perm: 0 })

export function editedPermissions(stored: Permissions, applied: Permissions, now: Permissions): Permissions {
  const special = takeOver(stored.mode, applied.mode, now.mode) & SPECIAL
  const access = editedAcl(stored, applied, now)
  const permissions = { mode: special | modeOf(access) }
  return isMinimal(access) ? permissions : { ...permissions, access }
}

/** Bits that the user changed as they are now, and all others as stored. */
const takeOver = (stored: number, applied: number, now: number): number =>
  (stored & ~(applied ^ now)) | (now & (applied ^ now))

type Entries = Map<string, AclEntry>

const entriesOf = ({ mode, access }: Permissions): Entries =>
  new Map((access ?? minimalAcl(mode)).entries.map(entry => [entryName(entry), entry]))

function editedAcl(stored: Permissions, applied: Permissions, now: Permissions): Acl {
  const [kept, before, after] = [stored, applied, now].map(entriesOf)
  // If only the record has an ACL, chmod changes its mask, as it would if the ACL had been applied.
  if (kept.has(MASK) && !before.has(MASK) && !after.has(MASK)) {
    for (const entries of [before, after]) renameGroupToMask(entries)
  }
  const edited: Entries = new Map()
  for (const key of new Set([...kept.keys(), ...after.keys()])) {
    const [s, a, n] = [kept.get(key), before.get(key), after.get(key)]
    if (n !== undefined)
      edited.set(key, {
        ...n,
        perm: s === undefined || a === undefined ? n.perm : takeOver(s.perm, a.perm, n.perm)
      })
    // An entry that was never applied cannot have been removed.
    else if (s !== undefined && a === undefined) edited.set(key, s)
  }
  recomputeMask(edited, before, after)
  return aclOf(edited.values())
}

function renameGroupToMask(entries: Entries): void {
  entries.set(MASK, { tag: 'mask', perm: entries.get(GROUP)!.perm })
  entries.delete(GROUP)
}

/**
 * With other entries, setfacl sets the mask to the rights of the whole class. It saw the applied class, and the
 * stored class may have more rights.
 */
function recomputeMask(edited: Entries, before: Entries, after: Entries): void {
  const mask = after.get(MASK)
  if (mask === undefined || !after.has(GROUP) || classText(before) === classText(after)) return
  if (mask.perm === unionOfGroupClass(after))
    edited.set(MASK, { tag: 'mask', perm: unionOfGroupClass(edited) })
}

const GROUP_CLASS = new Set<AclEntry['tag']>(['user', 'group_obj', 'group'])

const unionOfGroupClass = (entries: Entries): number =>
  [...entries.values()].reduce((rights, { tag, perm }) => (GROUP_CLASS.has(tag) ? rights | perm : rights), 0)

const classText = (entries: Entries): string =>
  [...entries]
    .filter(([, { tag }]) => GROUP_CLASS.has(tag))
    .map(([name, { perm }]) => `${name}=${perm}`)
    .join()
