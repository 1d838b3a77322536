import { execFileSync } from 'node:child_process'
import * as assert from 'uvu/assert'
import {
  formatAudience,
  groupAudience,
  parseAudience,
  showAudience,
  userAudience
} from '../../../compose/audience/audience.ts'
import { parseFor } from '../../../compose/audience/parse-for.ts'
import { hostGroups } from '../../helpers/host-groups.ts'
import { needing } from '../../helpers/needs.ts'
import { refused, refusedLater } from '../../helpers/refused.ts'
import { suite } from '../../helpers/suite.ts'

const audience = suite('audience: --for and the lock')

const id = (...options: string[]): string => execFileSync('id', options).toString().trim()
const canonical = async (text: string): Promise<string> => formatAudience(await parseFor(text))
const ascending = (ids: string): string =>
  ids
    .split(' ')
    .map(Number)
    .sort((a, b) => a - b)
    .join(',')

audience('everyone and numeric groups need no account on this host', async () => {
  assert.is(await canonical('everyone'), 'everyone')
  assert.is(await canonical('group:3999999999'), 'group:3999999999')
  assert.is(await canonical('group:20,7,20'), 'group:7,20')
})

needing(
  audience,
  'id',
  'getent'
)('a user comes with the groups that id(1) tells, by name and by number', async () => {
  for (const name of ['daemon', 'nobody']) {
    const expected = `user:${id('-u', name)}:${id('-g', name)}:${ascending(id('-G', name))}`
    assert.is(await canonical(`user:${name}`), expected)
    assert.is(await canonical(`user:${id('-u', name)}`), expected)
  }
})

needing(audience, 'getent')('a group name becomes the number that getent prints', async () => {
  const [{ name, gid }] = hostGroups(1)
  assert.equal(await parseFor(`group:${name}`), { kind: 'group', gid, name })
})

needing(audience, 'id')('me is the user and the groups of this process', async () => {
  assert.is(await canonical('me'), `user:${id('-u')}:${id('-g')}:${ascending(id('-G'))}`)
})

audience('a user whom the host does not know can be given in ids, groups in any order', async () => {
  assert.is(await canonical('user:5000:70:70,9'), 'user:5000:70:9,70')
})

for (const text of ['', 'all', 'group', 'group:', 'group:a,', 'group:a:b', 'user:', 'me:'])
  audience(`refuses --for "${text}"`, async () => {
    const error = await refusedLater(
      parseFor(text),
      'USAGE',
      /wanted everyone, me, mounted, group:G or user:U/
    )
    assert.match(error.hint!, /--for group:/)
  })

for (const text of ['user:1:2', 'user:1:2:x'])
  audience(`refuses --for "${text}", and names the form with groups`, async () => {
    const error = await refusedLater(parseFor(text), 'USAGE', /wanted user:UID:GID:GID/)
    assert.match(error.hint!, /--for user:1/)
  })

audience('refuses a number that is not an id', async () => {
  await refusedLater(parseFor('group:4294967295'), 'USAGE', /not a group id, wanted 0 to 4294967294/)
  await refusedLater(parseFor('user:4294967295'), 'USAGE', /not a user id/)
})

for (const name of ['no-such-group-here', '-s', 'a\nb'])
  needing(audience, 'getent')(
    `refuses the unknown name ${JSON.stringify(name)} and says how to give ids`,
    async () => {
      const group = await refusedLater(parseFor(`group:${name}`), 'NAME_UNKNOWN', /this host has no group/)
      assert.match(group.hint!, /group:GID/)
      const user = await refusedLater(parseFor(`user:${name}`), 'NAME_UNKNOWN', /this host has no user/)
      assert.match(user.hint!, /user:UID:GID/)
    }
  )

audience('an account database that cannot be asked is an error that names the command', async () => {
  const path = process.env.PATH
  process.env.PATH = '/nonexistent'
  try {
    const error = await refusedLater(parseFor('group:daemon'), 'IO', /getent group daemon/)
    assert.match(error.hint!, /--for group:GID/)
  } finally {
    process.env.PATH = path
  }
})

audience('the form of a lock is read back to the same audience, without names', () => {
  for (const each of [
    groupAudience([{ gid: 1234 }]),
    groupAudience([{ gid: 9 }, { gid: 0 }]),
    userAudience(1000, 1000, [27, 4])
  ])
    assert.equal(parseAudience(formatAudience(each), 'audience'), each)
  assert.is(formatAudience(groupAudience([{ gid: 5, name: 'vasp' }])), 'group:5')
  assert.is(formatAudience(userAudience(1000, 1000, [27, 4])), 'user:1000:1000:4,27,1000')
})

for (const text of [
  'me',
  'group:vasp',
  'group:01',
  'group:2,1',
  'group:1,1',
  'user:1:2:1',
  'user:1:2:',
  'Everyone',
  'user:1:2:2:3'
])
  audience(`refuses "${text}" in a lock`, () => {
    refused(() => parseAudience(text, 'audience'), 'USAGE', /^audience ".*": wanted/)
  })

audience('a name that could redraw the terminal is shown escaped', () => {
  assert.is(showAudience({ kind: 'group', gid: 1, name: 'a\x1b[2J' }), 'group a\\033[2J (1)')
})

audience.run()
