import * as assert from 'uvu/assert'
import { FILE_SYSTEMS, foreignAttribute, repeatsMode } from '../../../store/acl/foreign-attribute.ts'
import { specText } from '../../helpers/spec-example.ts'
import { suite } from '../../helpers/suite.ts'

const foreign = suite("a file system's own attributes")

/** Rows of the table in spec/attributes.md. */
const tableOfSpec = (): { fileSystem: string; names: string[]; meaning: string }[] =>
  [...specText('attributes.md').matchAll(/^\| ([^|]+) \| (`[^|]+`) \| (double|storage|rights) \|/gm)].map(
    ([, fileSystem, names, meaning]) => ({
      fileSystem,
      names: [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name.replace('*', 'anything')),
      meaning
    })
  )

foreign('are those that spec/attributes.md lists, each with its file system and its meaning', () => {
  const table = tableOfSpec()
  assert.equal([...new Set(table.map(({ fileSystem }) => fileSystem))], FILE_SYSTEMS)
  for (const { fileSystem, names, meaning } of table)
    for (const name of names) {
      const found = foreignAttribute(name)
      assert.equal([name, found?.fileSystem, found?.meaning], [name, fileSystem, meaning])
    }
})

foreign('do not include similar names, which are kept', () => {
  for (const name of [
    'user.x',
    'user.overlay',
    'user.DOSATTRIB',
    'trusted.lovely',
    'trusted.SGI',
    'trusted.overlayfs.x',
    'user.SGI_ACL_FILE',
    'security.selinux',
    'security.capability',
    'user.containers.x'
  ])
    assert.is(foreignAttribute(name), undefined, name)
})

type Ace = [type: number, flags: number, mask: number, who: string]

function nfs4Acl(...entries: Ace[]): Buffer {
  const numbers = (...values: number[]) => {
    const bytes = Buffer.alloc(4 * values.length)
    values.forEach((value, i) => {
      bytes.writeUInt32BE(value, 4 * i)
    })
    return bytes
  }
  return Buffer.concat([
    numbers(entries.length),
    ...entries.flatMap(([type, flags, mask, who]) => [
      numbers(type, flags, mask, who.length),
      Buffer.from(who.padEnd(4 * Math.ceil(who.length / 4), '\0'))
    ])
  ])
}

const [READ, WRITE, RUN, REST] = [0x1, 0x6, 0x20, 0x120080]

const says = (mode: number, ...entries: Ace[]): boolean =>
  repeatsMode('system.nfs4_acl', nfs4Acl(...entries), mode)

// Output of `getfattr -e hex` on a mount from a Linux server, for a file with mode 0644.
const OF_LINUX =
  '000000030000000000000000001601870000000' +
  '64f574e45524000000000000000000040001200810000000647524f5550400000' +
  '0000000000000000001200810000000945564552594f4e4540000000'

foreign('of NFSv4 that say what the mode says are told from those that say more or less', () => {
  assert.ok(repeatsMode('system.nfs4_acl', Buffer.from(OF_LINUX, 'hex'), 0o100644))
  assert.not(repeatsMode('system.nfs4_acl', Buffer.from(OF_LINUX, 'hex'), 0o100640))
  assert.not(repeatsMode('system.nfs4_acl', Buffer.from(OF_LINUX, 'hex').subarray(0, -4), 0o644), 'cut off')
  assert.not(repeatsMode('system.richacl', Buffer.from(OF_LINUX, 'hex'), 0o644))
  const flags = Buffer.alloc(4)
  assert.ok(
    repeatsMode('system.nfs4_dacl', Buffer.concat([flags, Buffer.from(OF_LINUX, 'hex')]), 0o644),
    'of NFSv4.1: flags before it'
  )
  const owner: Ace = [0, 0, READ | WRITE | RUN | REST, 'OWNER@']
  const group: Ace = [0, 0x40, READ | RUN | REST, 'GROUP@']
  const all: Ace = [0, 0, REST, 'EVERYONE@']
  assert.ok(says(0o750, owner, group, all))
  assert.ok(says(0o1750, owner, group, all), 'bits of the mode that no ACL has')
  assert.ok(says(0o750, owner, group, all, [2, 0x10, READ, 'EVERYONE@']), 'one that logs')
  assert.not(says(0o750, owner, group, all, [0, 0, READ, 'alice@site.example']), 'a name')
  assert.not(says(0o750, [0, 0x3, owner[2], 'OWNER@'], group, all), 'what new files inherit')
  assert.not(says(0o750, owner, group, [0, 0, READ, 'EVERYONE@']), 'more for others')
  assert.not(says(0o750, [0, 0, READ | 0x2 | RUN, 'OWNER@'], group, all), 'writing, and no appending')
  assert.ok(
    says(0o070, [1, 0, READ | WRITE | RUN, 'OWNER@'], [0, 0x40, READ | WRITE | RUN, 'GROUP@'], all),
    'a group that may more than the owner'
  )
  assert.not(
    says(0o070, [0, 0x40, READ | WRITE | RUN, 'GROUP@'], all),
    'an owner who may it as one of the group'
  )
})

foreign.run()
