import { file, header, padded, pax } from '../../helpers/tar-make.ts'
import type { Area } from '../case.ts'
import { device, directory, hardlink, longLink, symlink, tar } from '../make.ts'
import type { Room } from '../room.ts'
import { tarCase, tarCases } from '../tar-case.ts'

/** A link of either kind to a path of any length. */
const linkTo = (type: '1' | '2', name: string, target: string): Buffer =>
  Buffer.concat([pax({ linkpath: target }), header({ name, type })])

const outward = (room: Room): Buffer => linkTo('2', 'out', room.outside)

const manyLinks = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => symlink(`l${i}`, i + 1 === count ? 'd' : `l${i + 1}`))

/** Members below symbolic links: they go through them inside the tree, or are refused. */
export const symbolicLinks: Area = {
  area: 'symbolic links',
  cases: [
    ...tarCases([
      [
        'a file below a link to outside',
        room => tar(outward(room), 'out/canary'),
        'TAR_INVALID',
        { reference: 'CVE-2024-12905' }
      ],
      [
        'a directory below a link to outside',
        room => tar(outward(room), directory('out/dir/')),
        'TAR_INVALID'
      ],
      ['a link below a link to outside', room => tar(outward(room), symlink('out/more', 'x')), 'TAR_INVALID'],
      [
        'a fifo below a link to outside',
        room => tar(outward(room), header({ name: 'out/fifo', type: '6' })),
        'TAR_INVALID'
      ],
      ['a whiteout below a link to outside', room => tar(outward(room), 'out/.wh.canary'), 'TAR_INVALID'],
      [
        'an opaque mark below a link to outside',
        room => tar(outward(room), 'out/.wh..wh..opq'),
        'TAR_INVALID'
      ],
      [
        'a file below a link to the parent',
        tar(symlink('up', '..'), 'up/canary'),
        'confined',
        { holds: ['canary'] }
      ],
      [
        'a file below a link of many parents',
        tar(symlink('up', '../../../../outside'), 'up/canary'),
        'TAR_INVALID',
        { reference: 'CVE-2025-48387' }
      ],
      [
        'a file below a link to the root',
        tar(symlink('root', '/'), 'root/etc/passwd'),
        'confined',
        { holds: ['etc/passwd'] }
      ],
      [
        'a file below a link to a folder of the archive',
        tar(directory('etc/'), symlink('link', '/etc'), 'link/passwd'),
        'confined',
        { holds: ['etc/passwd'] }
      ],
      [
        'a file below a link whose parents stop at the root',
        tar(directory('etc/'), symlink('link', '../../../../etc'), 'link/passwd'),
        'confined',
        { holds: ['etc/passwd'] }
      ],
      ['a link to itself with a file below', tar(symlink('loop', 'loop'), 'loop/x'), 'TAR_INVALID'],
      [
        'two links to each other with a file below',
        tar(symlink('a', 'b'), symlink('b', 'a'), 'a/x'),
        'TAR_INVALID'
      ],
      ['a link that grows as it is followed', tar(symlink('a', 'a/a'), 'a/x'), 'TAR_INVALID'],
      [
        'more links in a row than Linux follows',
        tar(directory('d/'), ...manyLinks(41), 'l0/x'),
        'TAR_INVALID'
      ],
      [
        'as many links in a row as Linux follows',
        tar(directory('d/'), ...manyLinks(40), 'l0/x'),
        'confined',
        { holds: ['d/x'] }
      ],
      [
        'a chain of links to outside',
        room => tar(linkTo('2', 'a', room.outside), symlink('b', 'a'), symlink('c', 'b'), 'c/canary'),
        'TAR_INVALID'
      ],
      [
        'a directory that becomes a link',
        room => tar(directory('d/'), linkTo('2', 'd', room.outside), 'd/canary'),
        'TAR_INVALID',
        { reference: 'CVE-2021-32803' }
      ],
      [
        'a directory with backslashes that becomes a link',
        room => tar(directory('d\\x/'), linkTo('2', 'd\\x', room.outside), 'd\\x/canary'),
        'TAR_INVALID',
        { reference: 'CVE-2021-37701' }
      ],
      [
        'a directory that becomes a link under its twin name',
        room => tar(directory('caf\xc3\xa9/'), linkTo('2', 'cafe\xcc\x81', room.outside), 'caf\xc3\xa9/x'),
        'confined',
        {
          reference: 'CVE-2021-37712',
          holds: ['caf\xc3\xa9/x'].map(path => Buffer.from(path, 'latin1').toString())
        }
      ],
      [
        'a link that becomes a directory',
        room => tar(outward(room), directory('out/'), 'out/x'),
        'confined',
        { holds: ['out/x'] }
      ],
      [
        'a file that becomes a link',
        room => tar('a', linkTo('2', 'a', `${room.outside}/canary`)),
        'confined'
      ],
      [
        'a link that a file of its name replaces',
        room => tar(linkTo('2', 'a', `${room.outside}/canary`), 'a'),
        'confined',
        { reference: 'CVE-2025-59343', holds: ['a'] }
      ],
      ['a file below a file', tar('a', 'a/b'), 'TAR_INVALID'],
      ['a file below a device', tar(device('null', '3', 1, 3), 'null/b'), 'TAR_INVALID'],
      ['a link without a target', tar(symlink('a', '')), 'TAR_INVALID'],
      ['a link whose PAX target holds a NUL', tar(linkTo('2', 'a', 'x\0y')), 'TAR_INVALID'],
      ['a link with a target of 64 KiB', tar(linkTo('2', 'a', 'x'.repeat(65_536))), 'TAR_INVALID'],
      [
        'a link with a target that no kernel stores',
        tar(linkTo('2', 'a', 'x'.repeat(5000))),
        'confined',
        { refusedBuild: 'IMAGE_LIMIT', isSlow: true }
      ],
      ['a link with content', tar(symlink('a', 'b', { size: 5 }), padded('lost')), 'TAR_INVALID'],
      [
        'a non-empty directory replaced by a link',
        room => tar('d/x', linkTo('2', 'd', room.outside)),
        'TAR_INVALID'
      ],
      [
        'a link named with a slash at its end',
        room => tar(linkTo('2', 'out/', room.outside), 'out/canary'),
        'TAR_INVALID'
      ],
      [
        'links named as what a system trusts',
        tar(symlink('etc', '/etc'), symlink('lib', '/lib'), symlink('proc', '/proc')),
        'confined'
      ],
      [
        'a link to a file of the process',
        tar(symlink('fd', '/proc/self/fd'), symlink('root', '/proc/self/root')),
        'confined'
      ]
    ]),
    tarCase({
      name: 'a link in one layer, a file below it in the next',
      reference: 'CVE-2025-45582',
      archives: [room => tar(outward(room)), tar(directory('out/'), 'out/canary')],
      expect: 'confined'
    }),
    tarCase({
      name: 'a link in one layer, a file below it in the next, no directory named',
      reference: 'CVE-2014-6407',
      archives: [room => tar(outward(room)), tar('out/canary')],
      expect: 'confined',
      refusedBuild: 'CONFLICT'
    }),
    tarCase({
      name: 'a link in one layer, a whiteout below it in the next',
      archives: [room => tar(outward(room)), tar('out/.wh.canary')],
      expect: 'confined'
    }),
    tarCase({
      name: 'a directory in one layer, a link over it in the next, a file below in the third',
      archives: [tar(directory('out/')), room => tar(outward(room)), tar('out/dir/canary')],
      expect: 'confined',
      refusedBuild: 'CONFLICT'
    })
  ]
}

export const hardLinks: Area = {
  area: 'hard links',
  cases: tarCases([
    [
      'a hard link to an absolute path',
      room => tar(linkTo('1', 'a', `${room.outside}/secret`)),
      'TAR_INVALID',
      { reference: 'CVE-2026-23745' }
    ],
    ['a hard link to /etc/shadow', tar(hardlink('a', '/etc/shadow')), 'TAR_INVALID'],
    [
      'a hard link to a parent',
      tar(hardlink('a', '../outside/secret')),
      'TAR_INVALID',
      { reference: 'CVE-2024-12905' }
    ],
    ['a hard link to a parent in a PAX record', tar(linkTo('1', 'a', '../../outside/secret')), 'TAR_INVALID'],
    [
      'a hard link to a parent in a GNU long link',
      tar(longLink('../../outside/secret'), hardlink('a', 'x')),
      'TAR_INVALID'
    ],
    [
      'a hard link to outside, then a file of its name',
      room => tar(linkTo('1', 'a', `${room.outside}/canary`), file('a', 'overwritten')),
      'TAR_INVALID',
      { reference: 'CVE-2018-20834' }
    ],
    [
      'a hard link with content',
      tar('a', hardlink('b', 'a', { size: 11 }), file('x', 'overwritten').subarray(512)),
      'TAR_INVALID',
      { reference: 'CVE-2016-5418' }
    ],
    [
      'a hard link to a link to outside',
      room => tar(linkTo('2', 's', `${room.outside}/secret`), hardlink('h', 's')),
      'confined'
    ],
    [
      'a file over a hard link to a link to outside',
      room => tar(linkTo('2', 's', `${room.outside}/canary`), hardlink('h', 's'), file('h', 'new')),
      'confined',
      { reference: 'CVE-2025-48387', holds: ['h'] }
    ],
    [
      'a file below a hard link to a link',
      room => tar(linkTo('2', 's', room.outside), hardlink('h', 's'), 'h/canary'),
      'TAR_INVALID',
      { reference: 'CVE-2025-4330' }
    ],
    [
      'a hard link through a link to outside',
      room => tar(linkTo('2', 's', room.outside), hardlink('h', 's/secret')),
      'TAR_INVALID'
    ],
    ['a hard link to itself', tar(hardlink('a', 'a')), 'TAR_INVALID'],
    [
      'hard links in a circle',
      tar(hardlink('a', 'b'), hardlink('b', 'c'), hardlink('c', 'a')),
      'TAR_INVALID'
    ],
    ['a hard link to what is not there', tar(hardlink('a', 'nowhere')), 'TAR_INVALID'],
    ['a hard link to a directory', tar(directory('d/'), hardlink('a', 'd')), 'TAR_INVALID'],
    ['a hard link to the root', tar(hardlink('a', './')), 'TAR_INVALID'],
    ['a hard link to a directory that comes later', tar(hardlink('a', 'd'), directory('d/')), 'TAR_INVALID'],
    ['a hard link without a target', tar(hardlink('a', '')), 'TAR_INVALID'],
    ['a hard link to a whiteout', tar('.wh.a', hardlink('b', 'a')), 'TAR_INVALID'],
    ['a hard link to a whiteout file', tar('.wh.a', hardlink('b', '.wh.a')), 'TAR_INVALID'],
    ['a hard link as a whiteout', tar('a', hardlink('.wh.b', 'a')), 'confined', { lacks: ['.wh.b'] }],
    ['a hard link over a directory with entries', tar('d/x', 'a', hardlink('d', 'a')), 'TAR_INVALID'],
    ['a hard link to a NUL', tar(linkTo('1', 'a', 'b\0c'), 'b'), 'TAR_INVALID'],
    [
      'PAX and GNU targets that differ',
      tar('a', 'b', pax({ linkpath: 'a' }), longLink('b'), hardlink('c', '')),
      'TAR_INVALID'
    ],
    [
      'a deep hard link chain',
      tar('f0', ...Array.from({ length: 300 }, (_, i) => hardlink(`f${i + 1}`, `f${i}`))),
      'confined',
      { holds: ['f300'] }
    ],
    [
      'a chain of hard links in the wrong order',
      tar(...Array.from({ length: 300 }, (_, i) => hardlink(`f${i}`, `f${i + 1}`)), 'f300'),
      'confined',
      { holds: ['f0'] }
    ]
  ])
}

/** Names that hide others. */
export const whiteouts: Area = {
  area: 'whiteouts',
  cases: [
    ...tarCases([
      ['a whiteout of nothing', tar('.wh.'), 'TAR_INVALID'],
      ['a whiteout of the folder itself', tar('.wh..'), 'TAR_INVALID'],
      ['a whiteout of the parent', tar('.wh...'), 'TAR_INVALID'],
      ['a whiteout of the parent in a folder', tar('d/.wh...'), 'TAR_INVALID'],
      ['a whiteout of a whiteout', tar('.wh..wh.a'), 'TAR_INVALID'],
      ['an unknown mark of AUFS', tar('.wh..wh.aufs', '.wh..wh.plnk/x'), 'TAR_INVALID'],
      ['a folder named as a whiteout, with a file in it', tar('.wh.d/x'), 'TAR_INVALID'],
      ['a folder named as a whiteout of the parent, with a file in it', tar('.wh.../x'), 'TAR_INVALID'],
      ['a folder named as the opaque mark, with a file in it', tar('.wh..wh..opq/x'), 'TAR_INVALID'],
      ['a whiteout reached through a link', tar('d/x', symlink('l', 'd'), 'l/.wh.x/y'), 'TAR_INVALID'],
      ['a whiteout that is a directory', tar(directory('.wh.d/')), 'confined', { lacks: ['.wh.d'] }],
      ['a whiteout that is a link', tar(symlink('.wh.d', '/etc')), 'confined', { lacks: ['.wh.d'] }],
      ['a whiteout with content', tar(file('.wh.d', 'secret payload')), 'confined', { lacks: ['.wh.d'] }],
      [
        'an opaque mark that is a link',
        tar(symlink('.wh..wh..opq', '/etc')),
        'confined',
        { lacks: ['.wh..wh..opq'] }
      ],
      ['a whiteout beside what it hides', tar('a', '.wh.a', '.wh.b', 'b'), 'confined', { holds: ['a', 'b'] }]
    ]),
    tarCase({
      name: 'whiteouts of everything',
      archives: [tar('a', 'd/b'), tar('.wh.a', '.wh.d', '.wh.etc', '.wh..wh..opq')],
      expect: 'confined',
      lacks: ['a', 'd/b', '.wh.etc']
    }),
    tarCase({
      name: 'a whiteout of what a link of a lower layer leads to',
      archives: [room => tar(linkTo('2', 'l', room.outside)), tar(directory('l/'), 'l/.wh.canary')],
      expect: 'confined'
    }),
    tarCase({
      name: 'a whiteout device of overlayfs in an application',
      archives: [tar(device('gone', '3', 0, 0))],
      settings: { kind: 'application' },
      expect: 'PRIVILEGED'
    })
  ]
}
