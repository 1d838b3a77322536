/** Imports of tarballs of every shape that could cost more than it is long. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { refusedLater } from '../helpers/refused.ts'
import { scratch } from '../helpers/scratch.ts'
import { importInto, newStore } from '../helpers/stores.ts'
import { suite } from '../helpers/suite.ts'
import { archive, file, globalPax, header, pax } from '../helpers/tar-make.ts'
import { hardlink, symlink } from '../reject/make.ts'
import { growsLinearly } from './growth.ts'

const archives = suite('tarballs')

const many = (count: number, make: (index: number) => Buffer): Buffer[] =>
  Array.from({ length: count }, (_, index) => make(index))

const directory = (name: string): Buffer => header({ name, type: '5', mode: '0000755\0' })

async function importTar(members: Buffer[]): Promise<void> {
  const path = join(scratch(), 'made.tar')
  writeFileSync(path, archive(...members))
  await importInto(await newStore(), 'base/made-1', [path])
}

const shapes: [title: string, size: number, make: (size: number) => Buffer[]][] = [
  [
    'hard links that each lead to the next',
    1000,
    size => [...many(size, index => hardlink(`l${index}`, `l${index + 1}`)), file(`l${size}`, 'x')]
  ],
  [
    'hard links that each lead to the one before',
    1000,
    size => [file('l0', 'x'), ...many(size, index => hardlink(`l${index + 1}`, `l${index}`))]
  ],
  ['names in one folder', 2000, size => many(size, index => file(`d/${index}`, ''))],
  [
    'folders below each other',
    500,
    size => many(size, index => directory(`${'d/'.repeat(index % 40)}${index}`))
  ],
  [
    'members below links',
    1000,
    size => [directory('a/b'), symlink('l', 'a/../a/./b'), ...many(size, index => file(`l/${index}`, 'x'))]
  ],
  ['whiteouts', 1000, size => many(size, index => file(`d${index % 7}/.wh.${index}`, ''))],
  ['entries of one name', 1000, size => many(size, index => file('same', `${index}`))],
  [
    'global headers of attributes',
    400,
    size =>
      many(size, index =>
        Buffer.concat([
          globalPax({ [`SCHILY.xattr.user.a${index % 10}`]: `${index}` }),
          file(`${index}`, 'x')
        ])
      )
  ],
  [
    'members below a global ACL of many entries',
    400,
    size => [
      globalPax({ 'SCHILY.acl.access': longAcl(1500) }),
      ...many(size, index => file(`${index}`, 'x', { mode: '0000774\0' }))
    ]
  ],
  [
    'an ACL of many entries',
    800,
    size => [pax({ 'SCHILY.acl.access': longAcl(size) }), file('x', 'x', { mode: '0000774\0' })]
  ],
  [
    'attributes of one member',
    800,
    size => [
      pax(
        Object.fromEntries(Array.from({ length: size }, (_, index) => [`SCHILY.xattr.user.${index}`, 'v']))
      ),
      file('x', 'x')
    ]
  ],
  [
    'members that have the same long attribute',
    300,
    size =>
      many(size, index =>
        Buffer.concat([pax({ 'SCHILY.xattr.user.x': 'v'.repeat(2000) }), file(`${index}`, 'x')])
      )
  ],
  [
    'headers of comments, one before each member',
    1000,
    size => many(size, index => Buffer.concat([pax({ comment: `${index}` }), file(`${index}`, 'x')]))
  ],
  [
    'global headers, one behind the other',
    1000,
    size => [...many(size, index => globalPax({ comment: `${index}` })), file('x', 'x')]
  ],
  [
    'records of keys that nobody knows',
    2000,
    size => [
      pax(Object.fromEntries(Array.from({ length: size }, (_, index) => [`VENDOR.${index}`, 'v']))),
      file('x', 'x')
    ]
  ],
  [
    'runs of a sparse file',
    1000,
    size => [
      pax({
        'GNU.sparse.major': '0',
        'GNU.sparse.minor': '1',
        'GNU.sparse.numblocks': `${size}`,
        'GNU.sparse.size': `${size * 4096}`,
        'GNU.sparse.map': Array.from({ length: size }, (_, index) => `${index * 4096},1`).join(',')
      }),
      file('x', 'x'.repeat(size))
    ]
  ],
  [
    'contents that are all different, and small',
    1000,
    size => many(size, index => file(`${index}`, `content ${index}`))
  ]
]

function longAcl(users: number): string {
  const named = Array.from({ length: users }, (_, index) => `user:${1000 + index}:r-x`)
  return ['user::rwx', ...named, 'group::r-x', 'mask::rwx', 'other::r--'].join(',')
}

for (const [title, size, make] of shapes)
  archives(title, () => growsLinearly({ size: size / 4, make, run: importTar }))

const bounded: [title: string, members: () => Buffer[], message: RegExp][] = [
  [
    'links that lead through links, again and again',
    () => [
      directory('d'),
      ...many(39, index => symlink(`l${index}`, `${'d/../'.repeat(19)}l${index + 1}`)),
      symlink('l39', 'd'),
      ...many(4000, index => file(`l0/${index}`, 'x'))
    ],
    /symbolic links lead through each other/
  ],
  [
    'folders that are made below links to the deepest so far',
    () =>
      many(20, index =>
        Buffer.concat([
          pax({ path: `${index === 0 ? 'd' : `l${index - 1}`}/${'d/'.repeat(900)}x` }),
          file('x', 'x'),
          pax({ linkpath: `${index === 0 ? 'd' : `l${index - 1}`}/${'d/'.repeat(900)}` }),
          symlink(`l${index}`, '')
        ])
      ),
    /directories deep, more than 1024/
  ],
  [
    'more global records than members can share',
    () => [
      globalPax(
        Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`SCHILY.xattr.user.${index}`, 'v']))
      ),
      file('x', 'x')
    ],
    /65 records of .* wanted at most 64/
  ]
]

for (const [title, members, message] of bounded)
  archives(`refused: ${title}`, async () => {
    await refusedLater(importTar(members()), 'LIMIT_EXCEEDED', message)
  })

archives.run()
