/** Stacks of many modules, and modules that say much of others. */

import { join } from 'node:path'
import { is } from 'uvu/assert'
import { audienceReport } from '../../compose/audience/report.ts'
import { layingOrder } from '../../compose/resolve/order.ts'
import { resolveStack } from '../../compose/resolve/resolve-stack.ts'
import { encodeAcl } from '../../store/acl/acl.ts'
import { parseRequirement } from '../../store/module/requirement.ts'
import { Kind } from '../../store/object/layer-index.ts'
import type { Repository } from '../../store/repository/repository.ts'
import { type QuickModule, quickStore } from '../helpers/quick-store.ts'
import { refused, refusedLater } from '../helpers/refused.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { growsLinearly } from './growth.ts'

const stacks = suite('stacks')

const storeOf = (modules: Record<string, QuickModule>): Promise<Repository> =>
  quickStore(join(scratch(), 'store'), modules)

const numbered = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))

const conflicting = (count: number, conflicts: number): Record<string, QuickModule> =>
  Object.fromEntries(
    numbered(count, index => [
      `lib/m${index}-1`,
      { conflicts: [...numbered(conflicts, other => `other/o${other}`), ...(index === 1 ? ['lib/m0'] : [])] }
    ])
  )

stacks('conflicts that a module names, in a stack that cannot be', () =>
  growsLinearly({
    size: 200,
    make: size => storeOf(conflicting(6, size)),
    run: store =>
      refusedLater(
        resolveStack(
          store,
          numbered(6, index => parseRequirement(`lib/m${index}`, 'x'))
        ),
        'MODULE_CONFLICT',
        /because these module/
      )
  })
)

stacks('versions, of which none goes with any of the other', () =>
  refusedLater(
    storeOf({
      ...Object.fromEntries(numbered(40, index => [`a/a-${index + 1}`, { requires: ['b/b'] }])),
      ...Object.fromEntries(numbered(40, index => [`b/b-${index + 1}`, { requires: ['c/c'] }])),
      ...Object.fromEntries(numbered(40, index => [`c/c-${index + 1}`, { requires: ['d/d'] }])),
      ...Object.fromEntries(numbered(40, index => [`d/d-${index + 1}`, { conflicts: ['a/a', 'b/b', 'c/c'] }]))
    }).then(store => resolveStack(store, [parseRequirement('a/a', 'x')])),
    'LIMIT_EXCEEDED',
    /no set of versions was found/
  ).then(() => undefined)
)

stacks('modules that each require the next, in order', () =>
  growsLinearly({
    size: 200,
    make: size =>
      numbered(size, index => ({
        name: { category: 'lib', name: `m${index}`, version: '1' },
        record: {
          kind: 'library',
          requires: index + 1 < size ? [parseRequirement(`lib/m${index + 1}`, 'x')] : []
        }
      })) as never,
    run: modules => is(layingOrder(modules as never).length > 0, true)
  })
)

stacks('modules that require each other in a circle', () =>
  growsLinearly({
    size: 600,
    make: size =>
      numbered(size, index => ({
        name: { category: 'lib', name: `m${index}`, version: '1' },
        record: { kind: 'library', requires: [parseRequirement(`lib/m${(index + 1) % size}`, 'x')] }
      })),
    run: modules =>
      refused(() => layingOrder(modules as never), 'MODULE_CONFLICT', /require each other in a circle/)
  })
)

stacks('versions of one module, of which the oldest is wanted', () =>
  growsLinearly({
    size: 100,
    make: size => storeOf(Object.fromEntries(numbered(size, index => [`lib/m-${index + 1}`, {}]))),
    run: async store => is((await resolveStack(store, [parseRequirement('lib/m < 2', 'x')])).length, 1)
  })
)

stacks('entries of an ACL, in a report for an audience', () =>
  growsLinearly({
    size: 200,
    make: size => [
      {
        path: 'x',
        mode: 0o770,
        uid: 0,
        gid: 0,
        kind: Kind.file,
        access: encodeAcl({
          entries: [
            { tag: 'user_obj', perm: 7 },
            { tag: 'group_obj', perm: 0 },
            ...numbered(size, index => ({ tag: 'group' as const, id: 1000 + index, perm: index % 8 })),
            { tag: 'mask', perm: 7 },
            { tag: 'other', perm: 0 }
          ]
        })
      }
    ],
    run: entries => is(audienceReport({ kind: 'everyone' }, entries as never).aclPaths, 1)
  })
)

stacks('files that share an ACL of many entries', () =>
  growsLinearly({
    size: 40,
    make: size => {
      const access = encodeAcl({
        entries: [
          { tag: 'user_obj', perm: 7 },
          { tag: 'group_obj', perm: 0 },
          ...numbered(100, index => ({ tag: 'group' as const, id: 1000 + index, perm: 5 })),
          { tag: 'mask', perm: 7 },
          { tag: 'other', perm: 0 }
        ]
      })
      return numbered(size, index => ({
        path: `x${index}`,
        mode: 0o770,
        uid: 0,
        gid: 0,
        kind: Kind.file,
        access
      }))
    },
    run: entries => is(audienceReport({ kind: 'everyone' }, entries as never).aclPaths > 0, true)
  })
)

stacks.run()
