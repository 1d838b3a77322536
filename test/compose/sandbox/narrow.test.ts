import * as assert from 'uvu/assert'
import { narrow, narrowDefault, type Stored } from '../../../compose/sandbox/narrow.ts'
import { type Acl, type AclEntry, aclOf, minimalAcl, validateAcl } from '../../../store/acl/acl.ts'
import { suite } from '../../helpers/suite.ts'

const narrowing = suite('sandbox: narrowing')

/** The kernel's answer (acl(5), "Access Check Algorithm"): the sets of rights that somebody can have at once. */
function granted(acl: Acl, owner: number, group: number, uid: number, groups: number[]): number[] {
  const of = (tag: AclEntry['tag']) => acl.entries.filter(entry => entry.tag === tag)
  const mask = of('mask')[0]?.perm ?? 7
  if (uid === owner) return [of('user_obj')[0].perm]
  const named = of('user').find(({ id }) => id === uid)
  if (named !== undefined) return [named.perm & mask]
  const matching = [
    ...(groups.includes(group) ? of('group_obj') : []),
    ...of('group').filter(({ id }) => groups.includes(id!))
  ]
  return matching.length > 0 ? matching.map(({ perm }) => perm & mask) : [of('other')[0].perm]
}

const allows = (sets: number[], wanted: number) => sets.some(set => (set & wanted) === wanted)

/** Mulberry32. */
function random(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

const ME = 50
const MY_GROUP = 60
const UIDS = [1, 2, 3]
const GIDS = [4, 5, MY_GROUP]
const MEMBERSHIPS = [[], [4], [5], [MY_GROUP], [4, MY_GROUP], [5, MY_GROUP], [4, 5], [4, 5, MY_GROUP]]

function randomAcl(pick: (below: number) => number): Acl {
  const named = (tag: 'user' | 'group', ids: number[]): AclEntry[] =>
    ids.filter(() => pick(3) === 0).map(id => ({ tag, id, perm: pick(8) }))
  const entries = [...named('user', UIDS), ...named('group', GIDS)]
  if (entries.length > 0 || pick(4) === 0) entries.push({ tag: 'mask', perm: pick(8) })
  for (const tag of ['user_obj', 'group_obj', 'other'] as const) entries.push({ tag, perm: pick(8) })
  return aclOf(entries)
}

narrowing('gives no right that the stored ACL denied, except to the new owner, in 5,000 ACLs', () => {
  const pick = random(7)
  let kept = 0
  for (let round = 0; round < 5_000; round++) {
    const acl = randomAcl(pick)
    const mask = acl.entries.find(({ tag }) => tag === 'mask')
    const mode = acl.entries.reduce(
      (bits, { tag, perm }) =>
        bits | (perm << ({ user_obj: 6, group_obj: mask ? 99 : 3, mask: 3, other: 0 }[tag as 'mask'] ?? 99)),
      0
    )
    const stored: Stored = {
      isDirectory: pick(2) === 0,
      mode: (mode & 0o777) | (pick(8) << 9),
      uid: UIDS[pick(3)],
      gid: GIDS[pick(3)],
      access: mask && acl
    }
    const before = stored.access ?? minimalAcl(stored.mode)
    for (const hasAcls of [true, false]) {
      const narrowed = narrow(stored, MY_GROUP, hasAcls)
      const after = narrowed.access ?? minimalAcl(narrowed.mode)
      validateAcl(after)
      assert.is(narrowed.mode & 0o6000, 0)
      for (const uid of [...UIDS, 99])
        for (const groups of MEMBERSHIPS)
          for (let wanted = 1; wanted < 8; wanted++) {
            const had = allows(granted(before, stored.uid, stored.gid, uid, groups), wanted)
            const has = allows(granted(after, ME, MY_GROUP, uid, groups), wanted)
            if (has && !had)
              assert.unreachable(JSON.stringify({ stored, narrowed, hasAcls, uid, groups, wanted }))
            if (has) kept++
          }
    }
  }
  assert.ok(kept > 75_000, `${kept} rights kept`)
})

narrowing("leaves usual modes of root's files unchanged", () => {
  for (const mode of [0o755, 0o644, 0o555 | 0o200, 0o1777])
    assert.is(narrow({ isDirectory: mode > 0o1000, mode, uid: 0, gid: 0 }, 1000, true).mode, mode)
})

narrowing('lets the new owner read and write files, and enter directories', () => {
  assert.is(narrow({ isDirectory: false, mode: 0, uid: 0, gid: 0 }, 1000, true).mode, 0o600)
  assert.is(narrow({ isDirectory: false, mode: 0o111, uid: 0, gid: 0 }, 1000, true).mode, 0o711)
  assert.is(narrow({ isDirectory: true, mode: 0, uid: 0, gid: 0 }, 1000, true).mode, 0o700)
})

narrowing('a default ACL gives the new group no more than all others', () => {
  const acl = aclOf([
    { tag: 'user_obj', perm: 7 },
    { tag: 'group_obj', perm: 7 },
    { tag: 'other', perm: 5 }
  ])
  const group = (narrowed: Acl) => narrowed.entries.find(({ tag }) => tag === 'group_obj')!.perm
  assert.is(group(narrowDefault(acl, 4, 5)), 5)
  assert.is(group(narrowDefault(acl, 5, 5)), 7)
})

narrowing.run()
