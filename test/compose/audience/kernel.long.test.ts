import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import {
  type Audience,
  EVERYONE,
  formatAudience,
  groupAudience,
  groupsOf,
  userAudience
} from '../../../compose/audience/audience.ts'
import { applyImageAccess } from '../../../compose/audience/image-access.ts'
import { modeRule } from '../../../compose/audience/image-mode.ts'
import type { ModeOf } from '../../../compose/link/image-modes.ts'
import { linkImage } from '../../../compose/link/link-image.ts'
import { mergeLayers } from '../../../compose/merge/merge-layers.ts'
import { chmodAt, chownAt, constants, mkdirAt, mknodAt, setXattr } from '../../../native/index.ts'
import { ACCESS_ATTRIBUTE, encodeAcl } from '../../../store/acl/acl.ts'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize, someOf } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { archive, header, pax } from '../../helpers/tar-make.ts'
import { asOneModule, type Compiled, compile, keepMode, stackOf } from '../helpers/compile.ts'
import { accessAs, compileAccessAs } from './access-as.ts'
import { everybody, type Person, type RandomInode, randomInode, randomOf } from './random-acl.ts'

const kernel = suite('audience: as the kernel decides')

const FILES = 600
const PEOPLE = everybody()
const random = randomOf(20)
const INODES = Array.from({ length: FILES }, () => randomInode(random))
/** Files mostly; what is no regular file is asked the same. */
const TYPES = ['0', '0', '0', '0', '5', '5', '6']
const typeOf = (i: number): string => TYPES[i % TYPES.length]

/** The inodes on a file system that enforces ACLs. */
function makeTree(folder: string): void {
  mkdirSync(folder)
  chmodSync(folder, 0o755)
  const top = openSync(folder, 'r')
  for (const [i, { mode, uid, gid, access }] of INODES.entries()) {
    const name = String(i)
    const { S_IFIFO, S_IFREG } = constants
    if (typeOf(i) === '5') mkdirAt(top, name, 0o700)
    else mknodAt(top, name, (typeOf(i) === '6' ? S_IFIFO : S_IFREG) | 0o600)
    chownAt(top, name, uid, gid)
    if (access !== undefined) setXattr(top, name, ACCESS_ATTRIBUTE, encodeAcl(access))
    chmodAt(top, name, mode)
  }
  closeSync(top)
}

/** The same inodes as an archive. */
function makeTar(): Buffer {
  const octal = (value: number) => `${value.toString(8).padStart(7, '0')}\0`
  const member = ({ mode, uid, gid, access }: RandomInode, i: number): Buffer[] => [
    ...(access === undefined
      ? []
      : [pax({ [`SCHILY.xattr.${ACCESS_ATTRIBUTE}`]: encodeAcl(access).toString('latin1') })]),
    header({ name: String(i), type: typeOf(i), mode: octal(mode), uid: octal(uid), gid: octal(gid) })
  ]
  return archive(header({ name: './', type: '5', mode: octal(0o755) }), ...INODES.flatMap(member))
}

/**
 * Rights of people through an overlay on the image. Without the overlay, a read-only file system would refuse w
 * before it looks at modes.
 */
function accessInImage(program: string, image: string, people: Person[]): number[][] {
  const at = mkdtempSync(`${image}.`)
  chmodSync(at, 0o755)
  const [lower, over, merged] = ['lower', 'over', 'merged'].map(name => join(at, name))
  for (const folder of [lower, over, merged]) mkdirSync(folder)
  const mounted: string[] = []
  const mount = (target: string, ...args: string[]) => {
    execFileSync('mount', [...args, target])
    mounted.push(target)
  }
  try {
    mount(lower, '-t', 'squashfs', '-o', 'loop,ro', image)
    mount(over, '-t', 'tmpfs', 'tmpfs')
    mkdirSync(join(over, 'upper'))
    mkdirSync(join(over, 'work'))
    chmodSync(join(over, 'upper'), 0o755)
    const layers = `lowerdir=${lower},upperdir=${join(over, 'upper')},workdir=${join(over, 'work')}`
    mount(merged, '-t', 'overlay', 'overlay', '-o', layers)
    return accessAs(program, merged, FILES, people)
  } finally {
    for (const target of mounted.reverse()) execFileSync('umount', [target])
  }
}

const isIn = (audience: Audience, { uid, groups }: Person): boolean =>
  audience.kind === 'everyone' ||
  (audience.kind === 'user'
    ? audience.uid === uid
    : groupsOf(audience).some(({ gid }) => groups.includes(gid)))

const sum = (counts: number[]): number => counts.reduce((a, b) => a + b, 0)
const bits = (rights: number): number => [0, 1, 1, 2, 1, 2, 2, 3][rights]
/** Rights of one list that the other lacks. */
const surplus = (a: number[][], b: number[][]): number =>
  sum(a.flatMap((rights, i) => rights.map((right, j) => bits(right & ~b[i][j]))))

interface Outcome {
  pairs: number
  gained: number
  lost: number
  /** Outside the audience, and can open the image file; or in it, and cannot; or may write to it. */
  misplaced: number
}

interface Bench {
  folder: string
  program: string
  layer: Compiled
  people: Observed[]
}

interface Observed extends Person {
  /** Rights that the ACLs give, by file. */
  truth: number[]
}

async function makeBench(): Promise<Bench> {
  const folder = scratch()
  chmodSync(folder, 0o755)
  const program = compileAccessAs(folder)
  makeTree(join(folder, 'tree'))
  const truth = accessAs(program, join(folder, 'tree'), FILES, PEOPLE)
  const people = PEOPLE.map((person, i) => ({ ...person, truth: truth[i] }))
  return { folder, program, people, layer: await compile(makeTar()) }
}

/** @param people who there is: all of the bench, or fewer */
async function outcomeFor(
  audience: Audience,
  { folder, program, layer, people }: Bench,
  modeOf: ModeOf = modeRule(audience)
): Promise<Outcome> {
  const at = mkdtempSync(join(folder, 'image-'))
  chmodSync(at, 0o755)
  const image = join(at, '0') // the only file of its folder, as the program wants it
  await linkImage(mergeLayers(stackOf(asOneModule([layer]))), [layer.data], {
    target: image,
    modeOf,
    admit: fd => void applyImageAccess(fd, audience),
    sync: false
  })
  const opens = accessAs(program, at, 1, people).map(([rights]) => rights)
  const inside = people.filter(person => isIn(audience, person))
  const allowed = inside.map(({ truth }) => truth)
  const found = accessInImage(program, image, inside)
  return {
    pairs: inside.length * FILES,
    gained: surplus(found, allowed),
    lost: surplus(allowed, found),
    misplaced: people.filter((person, i) => opens[i] !== (isIn(audience, person) ? 4 : 0)).length
  }
}

const NEEDS = ['root', 'cc', 'mount']
const gids = [...new Set(INODES.map(({ gid }) => gid))].sort()
const SHARED: Audience[] = [
  EVERYONE,
  ...gids.map(gid => groupAudience([{ gid }])),
  groupAudience([{ gid: gids[0] }, { gid: gids[2] }]),
  groupAudience(gids.map(gid => ({ gid })))
]

needing(kernel, ...NEEDS)(
  'no member of a shared audience gains a right and nobody else opens the image, over 90,000 pairs of file and identity',
  async () => {
    const bench = await makeBench()
    let pairs = 0
    for (const audience of someOf(SHARED, 3)) {
      const outcome = await outcomeFor(audience, bench)
      const shown = `${formatAudience(audience)}: ${JSON.stringify(outcome)}`
      assert.is(outcome.gained, 0, shown)
      assert.is(outcome.misplaced, 0, shown)
      pairs += outcome.pairs
    }
    assert.ok(pairs > 90_000, `${pairs} pairs`)
    await bench.layer.close()
  }
)

atAllSize(needing(kernel, ...NEEDS))(
  'modes as stored, and group:: with the mask alone, are seen to widen here',
  async () => {
    const bench = await makeBench()
    for (const modeOf of [keepMode, modeRule(EVERYONE, 'group')])
      assert.ok((await outcomeFor(EVERYONE, bench, modeOf)).gained > 1000)
    await bench.layer.close()
  }
)

needing(kernel, ...NEEDS)(
  'an image for one user gives that user each right of the ACLs and no other',
  async () => {
    const bench = await makeBench()
    for (const chosen of bench.people.filter((_, i) => i % bySize(67, 13) === 0)) {
      const audience = userAudience(chosen.uid, chosen.gid, chosen.groups)
      // A uid has one set of groups on a host: who would have it with others is not there.
      const people = bench.people.filter(person => person === chosen || person.uid !== chosen.uid)
      const { gained, lost, misplaced } = await outcomeFor(audience, { ...bench, people })
      assert.equal(
        { gained, lost, misplaced },
        { gained: 0, lost: 0, misplaced: 0 },
        formatAudience(audience)
      )
    }
    await bench.layer.close()
  }
)

needing(kernel, ...NEEDS)('the image is readable by its builder alone until it is whole', async () => {
  const folder = scratch()
  chmodSync(folder, 0o777)
  const layer = await compile(makeTar())
  let seen = 0
  const watch: ModeOf = (...input) => {
    for (const name of readdirSync(folder)) {
      assert.is(statSync(join(folder, name)).mode & 0o7777, 0o600)
      seen++
    }
    return keepMode(...input)
  }
  await linkImage(mergeLayers(stackOf(asOneModule([layer]))), [layer.data], {
    target: join(folder, 'image'),
    modeOf: watch,
    admit: fd => void applyImageAccess(fd, EVERYONE),
    sync: false
  })
  assert.ok(seen > 0)
  assert.is(statSync(join(folder, 'image')).mode & 0o7777, 0o644)
  await layer.close()
})

kernel.run()
