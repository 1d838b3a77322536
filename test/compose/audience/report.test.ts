import * as assert from 'uvu/assert'
import {
  type Audience,
  EVERYONE,
  groupAudience,
  parseAudience,
  userAudience
} from '../../../compose/audience/audience.ts'
import { audienceReport } from '../../../compose/audience/report.ts'
import type { AclEntry } from '../../../compose/merge/walk-tree.ts'
import { IdNames } from '../../../store/accounts/id-names.ts'
import { encodeAcl, modeOf } from '../../../store/acl/acl.ts'
import { formatAclLine, parseAclText } from '../../../store/acl/acl-text.ts'
import { Kind } from '../../../store/object/layer-index.ts'
import { suite } from '../../helpers/suite.ts'

const report = suite('audience: what it cannot use')

function entry(path: string, text: string): AclEntry {
  const access = parseAclText(text, { where: { source: 'test' }, resolve: new IdNames() }).access!
  return { path, kind: Kind.file, mode: modeOf(access), uid: 0, gid: 0, access: encodeAcl(access) }
}

const LICENSED = 'user::rwx,group::r-x,group:1234:r-x,mask::r-x,other::---'
const PATHS = [
  entry('opt/vasp', LICENSED),
  entry('opt/vasp/bin', LICENSED),
  entry('opt/notes', 'user::rw-,user:7:rw-,group::r--,mask::rw-,other::r--'),
  { ...entry('srv/in', LICENSED), access: undefined, default: Buffer.from('ignored') }
]

const lines = (audience: Audience, entries = PATHS): string[] =>
  audienceReport(audience, entries).lost.map(
    ({ path, entry, rights }) => `${path} ${formatAclLine({ entries: [{ ...entry, perm: rights }] })}`
  )

report('counts paths, lists what each named entry loses, and names the --for that keeps most first', () => {
  const found = audienceReport(EVERYONE, PATHS)
  assert.is(found.aclPaths, 3)
  assert.is(found.paths, 3)
  assert.is(found.widened, 0)
  assert.equal(lines(EVERYONE), [
    'opt/vasp group:1234:r-x',
    'opt/vasp/bin group:1234:r-x',
    'opt/notes user:7:-w-'
  ])
  assert.equal(found.suggestions, ['group:1234', 'user:7'])
})

report('the audience that is suggested loses nothing of the grant it was suggested for', () => {
  assert.equal(lines(parseAudience('group:1234', 'test')), ['opt/notes user:7:-w-'])
  assert.equal(lines(userAudience(7, 7, [])), [])
  assert.equal(audienceReport(userAudience(7, 7, []), PATHS).suggestions, [])
})

report('shows names where the caller knows them', () => {
  const nameOf = (kind: 'user' | 'group', id: number) =>
    kind === 'group' && id === 1234 ? 'vasp' : undefined
  assert.equal(audienceReport(EVERYONE, PATHS, { nameOf }).suggestions, ['group:vasp', 'user:7'])
})

report(
  'the rights that a barred user costs all others are lost too, and kept by an image for oneself',
  () => {
    const barred = [entry('srv/x', 'user::rwx,user:7:---,group::r-x,mask::r-x,other::r-x')]
    assert.equal(lines(EVERYONE, barred), ['srv/x group::r-x', 'srv/x other::r-x'])
    assert.equal(audienceReport(EVERYONE, barred).suggestions, ['me'])
  }
)

report('a group whose image would lose the grant as well is not suggested', () => {
  const both = [entry('srv/x', 'user::rwx,user:7:---,group::---,group:8:r-x,mask::r-x,other::---')]
  assert.equal(audienceReport(EVERYONE, both).suggestions, ['me'])
})

report('an entry that the mask cancels is not a loss', () => {
  assert.equal(lines(EVERYONE, [entry('a', 'user::rwx,group::---,group:8:rwx,mask::---,other::---')]), [])
})

report('with two groups as audience, a right that one group lacks is lost to the other', () => {
  const text = 'user::rwx,group::---,group:8:rwx,group:9:r-x,mask::rwx,other::---'
  const both = groupAudience([{ gid: 8 }, { gid: 9 }])
  assert.equal(lines(both, [entry('a', text)]), ['a group:8:-w-'])
})

report('--acl-modes group counts the paths where it gives somebody more than the ACL', () => {
  const entries = [...PATHS, entry('srv/x', 'user::rwx,user:7:---,group::r-x,mask::r-x,other::---')]
  assert.is(audienceReport(EVERYONE, entries, { aclModes: 'group' }).widened, 1)
})

report(
  '--acl-modes group takes from a user what only named entries gave, and nothing is said of other people',
  () => {
    const lost = (audience: Audience) =>
      audienceReport(audience, PATHS, { aclModes: 'group' }).lost.map(
        ({ path, rights }) => `${path} ${rights}`
      )
    assert.equal(lost(userAudience(5, 5, [1234])), ['opt/vasp 5', 'opt/vasp/bin 5'])
    assert.equal(lost(userAudience(7, 7, [])), ['opt/notes 2'])
    assert.equal(lost(userAudience(6, 6, [])), [])
  }
)

report.run()
