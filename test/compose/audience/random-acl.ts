import { type Acl, type AclEntry, aclOf } from '../../../store/acl/acl.ts'

/** Ids that random ACLs name, and those of people whom none names. */
const NAMED_UIDS = [61001, 61002, 61003, 61004]
const NAMED_GIDS = [62001, 62002, 62003, 62004, 62005]
/** Two: where one owns the file, the other is still there. */
const UNNAMED_UIDS = [61998, 61999]
export const NEUTRAL_GID = 62999

export interface Person {
  uid: number
  gid: number
  groups: number[]
}

/** Everybody there can be: each uid with each set of groups. */
export function everybody(): Person[] {
  const people: Person[] = []
  for (const uid of [...NAMED_UIDS, ...UNNAMED_UIDS])
    for (let set = 0; set < 1 << NAMED_GIDS.length; set++) {
      const groups = NAMED_GIDS.filter((_, i) => set & (1 << i))
      people.push({ uid, gid: NEUTRAL_GID, groups: [...groups, NEUTRAL_GID] })
    }
  // A primary group counts as any other: some have one of the named.
  return people.map((person, i) =>
    i % 3 === 0 && person.groups.length > 1 ? { ...person, gid: person.groups[0] } : person
  )
}

export interface RandomInode {
  mode: number
  uid: number
  gid: number
  access?: Acl
}

/** Repeatable: mulberry32. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

export function randomInode(random: (below: number) => number): RandomInode {
  const pick = (ids: number[]) => ids[random(ids.length)]
  const uid = random(3) === 0 ? 0 : pick([...NAMED_UIDS, ...UNNAMED_UIDS])
  const gid = pick(NAMED_GIDS)
  const special = random(4) === 0 ? random(8) << 9 : 0
  if (random(20) === 0) return { mode: special | random(0o1000), uid, gid }
  // Full masks and rights are common in life, and show what a random mask hides.
  const perm = () => (random(3) === 0 ? 7 : random(8))
  const named = (tag: 'user' | 'group', ids: number[]): AclEntry[] =>
    ids.filter(() => random(3) === 0).map(id => ({ tag, id, perm: perm() }))
  const people = [...named('user', NAMED_UIDS), ...named('group', NAMED_GIDS)]
  const access = aclOf([
    { tag: 'user_obj', perm: perm() },
    ...people,
    { tag: 'group_obj', perm: random(8) },
    { tag: 'mask', perm: random(2) === 0 ? 7 : random(8) },
    { tag: 'other', perm: random(2) === 0 ? 0 : random(8) }
  ])
  const shown = (tag: string) => access.entries.find(entry => entry.tag === tag)!.perm
  const mode = special | (shown('user_obj') << 6) | (shown('mask') << 3) | shown('other')
  return { mode, uid, gid, access }
}
