import * as assert from 'uvu/assert'
import type { Accounts } from '../../../compose/audience/accounts.ts'
import {
  type Audience,
  EVERYONE,
  formatAudience,
  groupAudience,
  userAudience
} from '../../../compose/audience/audience.ts'
import {
  audienceOfModules,
  audienceOfRestrictions,
  confirmedAudience,
  type RestrictedModule,
  restrictionsBroken,
  restrictionsOf
} from '../../../compose/audience/from-modules.ts'
import type { AccessGroup } from '../../../store/module/access-group.ts'
import { hostGroups } from '../../helpers/host-groups.ts'
import { needing } from '../../helpers/needs.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { suite } from '../../helpers/suite.ts'

const modules = suite('audience: from the access groups of modules')

const stack = (...groups: AccessGroup[][]): RestrictedModule[] =>
  groups.map((accessGroups, i) => ({ category: 'apps', name: 'abc'[i], version: '1', accessGroups }))
const A = { gid: 7, name: 'alpha' }
const B = { gid: 8 }
const C = { gid: 9 }
const me = `user:${process.getuid!()}:`

for (const [title, groups, expected] of [
  ['modules that restrict nobody make an image for everyone', [[], []], 'everyone'],
  ['one group of all that restrict makes an image for it', [[A], [], [A]], 'group:7'],
  ['a module that admits either of two groups makes an image for both', [[B, A]], 'group:7,8'],
  ['of a group and a choice with that group, the group remains', [[A, B], [A], [A, C]], 'group:7'],
  [
    'the same choice in another order stays one',
    [
      [A, B],
      [B, A]
    ],
    'group:7,8'
  ]
] as const)
  modules(title, async () => {
    const { audience } = await audienceOfModules(stack(...groups.map(list => [...list])))
    assert.is(formatAudience(audience), expected)
  })

modules(
  'groups whose intersection cannot be expressed make an image for the builder, and the text says why',
  async () => {
    const { audience, text, hint } = await audienceOfModules(stack([A], [B], [A]))
    assert.ok(formatAudience(audience).startsWith(me))
    assert.match(
      text,
      /^for you alone \(uid \d+\): apps\/a-1 and apps\/c-1 admit group alpha \(7\), apps\/b-1 admits gid 8; no single group or ACL/
    )
    assert.is(hint, undefined)
  }
)

modules(
  'a group that every module admits is offered where the whole intersection cannot be said',
  async () => {
    const { audience, hint } = await audienceOfModules(stack([A, B], [A, C]))
    assert.ok(formatAudience(audience).startsWith(me))
    assert.match(hint!, /^--for group:7:/)
  }
)

needing(modules, 'getent')(
  'a group without id is looked up here, and one that is unknown admits nobody',
  async () => {
    const [{ name, gid }] = hostGroups(1)
    const known = await audienceOfModules(stack([{ name }]))
    assert.equal(known.audience, { kind: 'group', gid, name })
    const unknown = await audienceOfModules(stack([{ name: 'no-such-group-here' }]))
    assert.ok(formatAudience(unknown.audience).startsWith(me))
    assert.match(unknown.text, /apps\/a-1 admits group no-such-group-here \(unknown here\)/)
    const either = await audienceOfModules(stack([{ name: 'no-such-group-here' }, A]))
    assert.is(formatAudience(either.audience), 'group:7')
  }
)

const accounts = (known: Record<string, number[]>): Accounts => ({
  group: async () => undefined,
  user: async user => (user in known ? userAudience(Number(user), known[user][0], known[user]) : undefined),
  me: () => userAudience(1000, 1000, [])
})

modules('only those groups of a user count that the host confirms', async () => {
  const confirmed = await confirmedAudience(userAudience(5, 5, [7, 8]), accounts({ 5: [5, 8, 9] }))
  assert.equal(confirmed, userAudience(5, 5, [5, 8]))
  assert.equal(await confirmedAudience(groupAudience([A]), accounts({})), groupAudience([A]))
  assert.is(await confirmedAudience(userAudience(1000, 1000, [7]), accounts({})), undefined, 'the builder')
  const stranger = confirmedAudience(userAudience(6, 6, [7]), accounts({}))
  await refusedLater(stranger, 'ACCESS_WIDER', /this host has no user 6/)
})

modules('an image with a module for its owner alone is for the builder', () => {
  const owned = { module: 'layer x', groups: [], unknown: [] }
  const { audience, text } = audienceOfRestrictions([owned, { ...owned, module: 'a', groups: [A] }])
  assert.ok(formatAudience(audience).startsWith(me))
  assert.match(text, /layer x admits its owner alone/)
})

modules('names the modules whose access an audience exceeds', async () => {
  const restrictions = await restrictionsOf(stack([A], [], [A, B]))
  const broken = (audience: Audience) =>
    restrictionsBroken(audience, restrictions).map(({ module }) => module)
  assert.equal(broken(EVERYONE), ['apps/a-1', 'apps/c-1'])
  assert.equal(broken(groupAudience([A])), [])
  assert.equal(broken(groupAudience([B])), ['apps/a-1'])
  assert.equal(broken(groupAudience([A, B])), ['apps/a-1'])
  assert.equal(broken(userAudience(1, 1, [7])), [])
  assert.equal(broken(userAudience(1, 1, [8])), ['apps/a-1'])
})

modules.run()
