import { readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import {
  type Audience,
  EVERYONE,
  groupAudience,
  parseAudience,
  userAudience
} from '../../../compose/audience/audience.ts'
import { modeFor } from '../../../compose/audience/image-mode.ts'
import { lossesOf } from '../../../compose/audience/losses.ts'
import { IdNames } from '../../../store/accounts/id-names.ts'
import { type Acl, decodeAcl, encodeAcl } from '../../../store/acl/acl.ts'
import { parseAclText } from '../../../store/acl/acl-text.ts'
import { Kind } from '../../../store/object/layer-index.ts'
import { suite } from '../../helpers/suite.ts'
import { everybody, type Person, type RandomInode, randomInode, randomOf } from './random-acl.ts'
import { linux, rightsOf, shiftOf, strictest } from './readings.ts'

const modes = suite('audience: mode bits')

const CLASSES = [6, 3, 0] as const

const PEOPLE = everybody()
const inodes = (seed: number, count: number): RandomInode[] => {
  const random = randomOf(seed)
  return Array.from({ length: count }, () => randomInode(random))
}
const asInput = (inode: RandomInode) => ({ ...inode, kind: Kind.file })

const membersOf = (...gids: number[]) => PEOPLE.filter(({ groups }) => groups.some(gid => gids.includes(gid)))
const SHARED: [string, Audience, Person[]][] = [
  ['everyone', EVERYONE, PEOPLE],
  ['group:62001', groupAudience([{ gid: 62001 }]), membersOf(62001)],
  ['group:62004', groupAudience([{ gid: 62004 }]), membersOf(62004)],
  ['a group no ACL names', groupAudience([{ gid: 62999 }]), PEOPLE],
  ['group:62001,62003', groupAudience([{ gid: 62003 }, { gid: 62001 }]), membersOf(62001, 62003)]
]

for (const [name, audience, people] of SHARED)
  modes(`for ${name}, a class has exactly what all of the audience in it have by the ACL`, () => {
    let pairs = 0
    for (const inode of inodes(1, 3000)) {
      const mode = modeFor(audience, asInput(inode))
      assert.is(mode & 0o7000, inode.mode & 0o7000)
      if (inode.access === undefined) {
        assert.is(mode, inode.mode)
        continue
      }
      for (const shift of CLASSES) {
        const inClass = people.filter(person => shiftOf(person, inode) === shift)
        pairs += inClass.length
        if (inClass.length === 0) continue
        const common = inClass.map(person => rightsOf(person, inode, strictest)).reduce((a, b) => a & b, 7)
        assert.is((mode >> shift) & 7, common, JSON.stringify({ inode, shift }))
      }
    }
    assert.ok(pairs > 90_000, `${pairs} pairs`)
  })

modes(
  'for one user, that user has exactly what Linux gives, loses nothing, and no other class more than for everyone',
  () => {
    const files = inodes(2, 400)
    for (const person of PEOPLE) {
      const audience = userAudience(person.uid, person.gid, person.groups)
      for (const inode of files) {
        const mode = modeFor(audience, asInput(inode))
        const own = shiftOf(person, inode)
        assert.equal(lossesOf(audience, asInput(inode)), [])
        assert.is((mode >> own) & 7, rightsOf(person, inode, linux), JSON.stringify({ inode, person }))
        const forAll = modeFor(EVERYONE, asInput(inode))
        for (const shift of CLASSES) if (shift !== own) assert.is((mode >> shift) & 7, (forAll >> shift) & 7)
      }
    }
  }
)

for (const [name, audience, people] of SHARED)
  modes(`for ${name}, losses are reported for an inode exactly when somebody of the audience loses`, () => {
    for (const inode of inodes(3, 3000)) {
      const image: RandomInode = { ...inode, mode: modeFor(audience, asInput(inode)), access: undefined }
      const loses = people.some(
        person => (rightsOf(person, inode, linux) & ~rightsOf(person, image, linux)) !== 0
      )
      const losses = lossesOf(audience, asInput(inode))
      assert.is(losses.length > 0, loses, JSON.stringify({ inode, losses }))
    }
  })

const acl = (text: string): Acl =>
  decodeAcl(encodeAcl(parseAclText(text, { where: { source: 'test' }, resolve: new IdNames() }).access!))
const modeOf = (audience: Audience, mode: number, text: string, gid = 0, kind: number = Kind.file): string =>
  modeFor(audience, { mode, uid: 0, gid, access: acl(text), kind }).toString(8)

modes('the examples of the specification hold', () => {
  const text = readFileSync(new URL('../../../../spec/audience.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `(user::\S+)` \| (\d{4}) \| `(\S+)` \| (\d{4}) \|$/gm)]
  assert.ok(rows.length >= 8)
  for (const [row, aclText, stored, audience, expected] of rows) {
    const found = modeOf(parseAudience(audience, 'audience'), Number.parseInt(stored, 8), aclText)
    assert.is(found.padStart(4, '0'), expected, row)
  }
})

modes('a mask in the place of group bits never reaches the owning group', () => {
  assert.is(modeOf(EVERYONE, 0o660, 'user::rw-,user:7:rw-,group::---,mask::rw-,other::---'), '600')
})

modes('a user who is barred by name bars the class, but not when he owns the file', () => {
  const barred = 'user::rwx,user:7:---,group::r-x,mask::r-x,other::r-x'
  assert.is(modeOf(EVERYONE, 0o755, barred), '700')
  assert.is(modeFor(EVERYONE, { mode: 0o755, uid: 7, gid: 0, kind: 2, access: acl(barred) }), 0o755)
})

modes('an entry that names the owning group speaks of its members, not of others', () => {
  const text = 'user::rw-,group::---,group:1234:r--,mask::r--,other::---'
  assert.is(modeOf(EVERYONE, 0o640, text, 1234), '640')
})

modes('an empty mask is read as Linux does for one user, and in the stricter way for many', () => {
  const text = 'user::rwx,user:7:r-x,group::r-x,mask::---,other::r-x'
  assert.is(modeOf(userAudience(7, 7, []), 0o705, text), '705')
  assert.is(modeOf(EVERYONE, 0o705, text), '700')
})

modes('root keeps the right to run what only a named entry made executable', () => {
  const text = 'user::rw-,user:7:r-x,group::r--,mask::r-x,other::r--'
  assert.is(modeOf(userAudience(0, 0, []), 0o654, text), '744')
  assert.is(modeOf(EVERYONE, 0o654, text), '644')
})

modes('--acl-modes group is group:: and mask, with other:: as it stands', () => {
  const input = {
    mode: 0o2775,
    uid: 0,
    gid: 0,
    kind: Kind.file,
    access: acl('user::rwx,user:7:---,group::rwx,mask::r-x,other::r-x')
  }
  assert.is(modeFor(EVERYONE, input, 'group'), 0o2755)
})

modes.run()
