import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { buildImage, compile } from '../helpers/compile.ts'
import { hashesHold } from '../helpers/hashes-hold.ts'
import { mounted, observedTree } from '../helpers/observed-tree.ts'
import { type Random, randomOf } from '../helpers/random-layer.ts'
import { sameLines } from '../helpers/same-lines.ts'
import { type Entry, tarOf } from '../helpers/tar-layer.ts'

/**
 * Modules that do not conflict: GNU tar with --keep-directory-symlink and --no-overwrite-dir follows our rules for
 * directories and for links to them. Links are relative: tar would follow absolute ones out of its folder.
 */
const stacks = suite('link: stacks of modules')

const STACKS = bySize(5, 20)

const BASE: [string, Entry][] = ['./', 'usr/', 'usr/lib/', 'usr/bin/', 'usr/lib/deep/', 'opt/'].map(line => [
  line,
  {}
])
const LINKS: [string, Entry][] = [
  'lib -> usr/lib',
  'bin -> usr/bin',
  'sbin -> bin',
  'usr/sbin -> ../sbin',
  'usr/lib/up -> ..'
].map(line => [line, { mode: 0o777 }])
const PLACES = [
  'usr',
  'usr/lib',
  'usr/lib/deep',
  'usr/lib/up/bin',
  'lib',
  'lib/deep',
  'bin',
  'sbin',
  'usr/sbin',
  'opt',
  'opt/own',
  'lib/own',
  'own'
]

/** Directories, all of them entries with modes of their own, and files that no other module has. */
function moduleTar(random: Random, number: number): Buffer {
  const lines: [string, Entry][] = []
  const named = new Set<string>()
  for (let i = 2 + random(8); i > 0; i--) {
    const place = PLACES[random(PLACES.length)]
    const parents = place.split('/').map((_, depth, parts) => `${parts.slice(0, depth + 1).join('/')}/`)
    for (const parent of parents.filter(path => !named.has(path))) {
      named.add(parent)
      lines.push([parent, { mode: [0o755, 0o700, 0o711][random(3)], uid: random(2) * 77 }])
    }
    lines.push([
      `${place}/file${number}-${i}=${number} ${i}`,
      { uid: random(3), mode: [0o644, 0o4755][random(2)] }
    ])
    if (random(3) === 0) lines.push([`${place}/same=everywhere`, {}])
    if (random(4) === 0) lines.push([`${place}/link${number}-${i} == ${place}/file${number}-${i}`, {}])
  }
  return tarOf(lines)
}

/** Adding to a directory changes its time on a disk, which a merge does not do. */
const withoutDirectoryTimes = (lines: string[]) =>
  lines.map(line => (line.includes(' | directory | ') ? line.replace(/^((?:[^|]*\|){4})[^|]*/, '$1') : line))

for (let seed = 1; seed <= STACKS; seed += 10)
  needing(
    stacks,
    'root',
    'tar',
    'getfattr',
    'mount'
  )(
    `stacks ${seed} to ${seed + 9} of ${STACKS}: the kernel mounts what GNU tar extracts one over the other`,
    async () => {
      for (let stack = seed; stack < seed + 10; stack++) {
        const folder = scratch()
        const random = randomOf(stack)
        const tars = [
          tarOf([...BASE, ...LINKS]),
          ...Array.from({ length: 2 + random(3) }, (_, i) => moduleTar(random, i))
        ]
        mkdirSync(join(folder, 'truth'))
        for (const tar of tars) {
          writeFileSync(join(folder, 'tar'), tar)
          bash(
            'cd "$1/truth"; tar --numeric-owner --keep-directory-symlink --no-overwrite-dir -xpf ../tar',
            folder
          )
        }
        const parts = []
        for (const tar of tars) parts.push(await compile(tar))
        const { tree } = await buildImage(parts, join(folder, 'image'), { directories: 'keep' })
        hashesHold(tree)
        const found = mounted(join(folder, 'image'), join(folder, 'mnt'), observedTree)
        sameLines(
          withoutDirectoryTimes(found),
          withoutDirectoryTimes(observedTree(join(folder, 'truth'))),
          `stack ${stack}`
        )
      }
    }
  )

stacks.run()
