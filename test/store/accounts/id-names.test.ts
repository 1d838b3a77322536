import { writeFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { parseId } from '../../../store/accounts/id.ts'
import { IdNames, parseNamesFile, readIdNames } from '../../../store/accounts/id-names.ts'
import { needing } from '../../helpers/needs.ts'
import { refused, refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { run } from '../acl/tree.ts'

const names = suite('id names')
const where = { source: 'layer.acl', line: 3 }

function fileWith(content: string): string {
  const path = `${scratch()}/names`
  writeFileSync(path, Buffer.from(content, 'latin1'))
  return path
}

const PASSWD =
  'root:x:0:0:root:/root:/bin/sh\n# comment\n\nalice:x:1000:1000:A:/home/a:/bin/sh\n+::::::\nj\xf8rn:x:1001:100::/:\n'
const GROUP = 'root:x:0:\nvasp:x:500:alice,bob\nempty:*:501:\n'

names('knows root and digits, and nothing else of the host', async () => {
  const none = await readIdNames({})
  assert.is(none.user('root', where), 0)
  assert.is(none.group('root', where), 0)
  assert.is(none.user('4294967294', where), 4294967294)
  refused(
    () => none.user('daemon', where),
    'NAME_UNKNOWN',
    /^layer\.acl, line 3: the id of user daemon is not known/
  )
  refused(
    () => none.user('4294967295', where),
    'NAMES_INVALID',
    /user id 4294967295, expected 0 to 4294967294/
  )
})

names('reads users and groups from one file or from two', async () => {
  for (const namesFiles of [
    [fileWith(PASSWD + GROUP)],
    [fileWith(PASSWD), fileWith(GROUP.replaceAll('\n', '\r\n'))]
  ]) {
    const read = await readIdNames({ namesFiles })
    assert.equal(
      [
        read.user('alice', where),
        read.user('j\xf8rn', where),
        read.group('vasp', where),
        read.group('empty', where)
      ],
      [1000, 1001, 500, 501]
    )
    refused(() => read.group('alice', where), 'NAME_UNKNOWN', /group alice/)
  }
})

needing(names, 'getent')("reads this host's accounts when told to, as getent lists them", async () => {
  const read = await readIdNames({ namesFiles: ['/etc/passwd', '/etc/group'] })
  for (const [kind, database] of [
    ['user', 'passwd'],
    ['group', 'group']
  ] as const)
    for (const line of run('/', `getent -s files ${database}`, []).trim().split('\n')) {
      const [name, , id] = line.split(':')
      assert.is(read[kind](name, where), Number(id))
    }
})

names('puts a mapping above the files', async () => {
  const read = await readIdNames({
    namesFiles: [fileWith(PASSWD)],
    mapUser: ['alice=7', 'a=b=8'],
    mapGroup: ['staff=9']
  })
  assert.equal([read.user('alice', where), read.user('a=b', where), read.group('staff', where)], [7, 8, 9])
})

names('takes a mapped name as the UTF-8 that the shell passes', async () => {
  assert.is((await readIdNames({ mapUser: ['jørn=7'] })).user('j\xc3\xb8rn', where), 7)
})

names('names the option that maps an unknown name, and the known names', async () => {
  const read = await readIdNames({ namesFiles: [fileWith(PASSWD)] })
  const error = refused(() => read.user('bob', where), 'NAME_UNKNOWN', /user bob/)
  assert.is(error.hint, '--map-user bob=UID\nor, with the ids of this host: --names <(getent passwd bob)')
  assert.is(error.facts['known users'], 'root, alice, j\\370rn, root')
  assert.match(refused(() => read.group('g', where), 'NAME_UNKNOWN', /group g/).hint!, /--map-group g=GID/)
})

names('gathers unknown names where that is wanted, each once with its number and first place', () => {
  const read = new IdNames()
  read.set('user', 'ann', 5)
  read.deferUnknown()
  assert.not(read.hasUnknown)
  read.refuseUnknown()
  const found = ['bob', "o'neil", 'bob'].map((name, i) =>
    read.user(name, { source: 'layer.acl', line: i + 1 })
  )
  assert.is(new Set(found).size, 3, 'two unknown users are not the same one')
  read.group('staff', where)
  assert.is(read.user('ann', where), 5)
  assert.ok(read.hasUnknown)
  const error = refused(
    () => read.refuseUnknown(),
    'NAME_UNKNOWN',
    /^layer\.acl, line 1: the ids of 3 names are not/
  )
  assert.equal(error.facts.users, ['bob (2 times, first layer.acl, line 1)', "o'neil (layer.acl, line 2)"])
  assert.equal(error.facts.groups, ['staff (layer.acl, line 3)'])
  assert.is(
    error.hint,
    `--map-user bob=UID --map-user 'o'\\''neil'=UID --map-group staff=GID
or, with the ids of this host: --names <(getent passwd bob 'o'\\''neil'; getent group staff)`
  )
  assert.equal([...read.used.users], [[5, 'ann']])
})

names('records the names that were used, with one name for an id whatever the order', () => {
  for (const order of [
    ['ann', 'bob'],
    ['bob', 'ann']
  ]) {
    const read = new IdNames()
    for (const name of ['ann', 'bob', 'carl']) read.set('user', name, name === 'carl' ? 6 : 5)
    for (const name of order) read.user(name, where)
    read.user('root', where)
    read.user('6', where)
    read.note('group', 'staff', 50)
    assert.equal([...read.used.users], [[5, 'ann']])
    assert.equal([...read.used.groups], [[50, 'staff']])
  }
})

for (const [mapping, message] of [
  ['alice', /--map-user alice: expected NAME=ID/],
  ['=5', /expected NAME=ID/],
  ['alice=', /expected NAME=ID/],
  ['alice=-1', /expected NAME=ID/],
  ['alice=4294967295', /expected NAME=ID/],
  ['1000=5', /numbers are ids already/],
  ['root=5', /root is always 0/]
] as const)
  names(`refuses the mapping ${mapping}`, async () => {
    const error = await refusedLater(readIdNames({ mapUser: [mapping] }), 'USAGE', message)
    assert.is(error.exitStatus, 2)
  })

names('refuses a name that is mapped twice', async () => {
  await refusedLater(readIdNames({ mapGroup: ['a=1', 'a=1'] }), 'USAGE', /--map-group a=1: a is mapped twice/)
})

for (const [title, content, message] of [
  ['three fields', 'a:x:5\n', /line 1: a:x:5: expected name:x:UID:GID/],
  ['a uid that is no number', 'root:x:0:0:::\na:x:b:5:::\n', /line 2: a:x:b:5:::: expected/],
  ['a gid that is no number', 'a:x:5:b:::\n', /expected name:x:UID:GID/],
  ['an empty name', ':x:5:\n', /expected name:x:UID:GID/],
  ['a name that is a number', '12:x:5:\n', /the name 12 is a number/]
] as const)
  names(`refuses a names file with ${title}`, () => {
    refused(() => parseNamesFile(Buffer.from(content), 'passwd'), 'NAMES_INVALID', message)
  })

names('refuses files that give one name two ids, and root another than 0', async () => {
  const contradicting = [fileWith('a:x:1:1:::\n'), fileWith('\na:x:2:1:::\n')]
  await refusedLater(
    readIdNames({ namesFiles: contradicting }),
    'NAMES_INVALID',
    /line 2: user a is 2 here and 1 elsewhere/
  )
  await refusedLater(
    readIdNames({ namesFiles: [fileWith('root:x:5:\n')] }),
    'NAMES_INVALID',
    /group root is 5 here and 0/
  )
})

names('names the file that cannot be read', async () => {
  await refusedLater(
    readIdNames({ namesFiles: ['/nonexistent/names'] }),
    'IO',
    /\/nonexistent\/names cannot be read/
  )
})

names('takes only decimal digits in range for an id', () => {
  assert.equal(['0', '007', '4294967294'].map(parseId), [0, 7, 4294967294])
  for (const text of ['', '4294967295', '99999999999', '-1', '1.0', '1e3', ' 1', '0x1', '\xb2'])
    assert.is(parseId(text), undefined)
})

names.run()
