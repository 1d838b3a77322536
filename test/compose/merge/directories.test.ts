import * as assert from 'uvu/assert'
import { ConflictError } from '../../../compose/merge/conflicts.ts'
import { mergeLayers } from '../../../compose/merge/merge-layers.ts'
import type { MergeOptions } from '../../../compose/merge/stack.ts'
import { minimalAcl } from '../../../store/acl/acl.ts'
import { rightsDenied } from '../../../store/acl/admits-fewer.ts'
import { suite } from '../../helpers/suite.ts'
import { everybody, type RandomInode, randomInode, randomOf } from '../audience/random-acl.ts'
import { linux, rightsOf, strictest } from '../audience/readings.ts'
import { type Compiled, stackOf } from '../helpers/compile.ts'
import { shownTree } from '../helpers/shown-tree.ts'
import { layer } from '../helpers/tar-layer.ts'

const access = suite('merge: whom a directory admits')

access(
  'rights that one directory gives and another denies are those of somebody there can be, and all of them',
  () => {
    const random = randomOf(14)
    const named = everybody()
    // Two directories may belong to the two whom nobody names: there is a third.
    const people = [...named, ...named.slice(0, 32).map(person => ({ ...person, uid: 61997 }))]
    // Rights of Linux are given; denied is what acl(5) or Linux denies: whoever wrote an empty mask meant it.
    let denying = 0
    for (let i = 0; i < 1500; i++) {
      const [narrower, wider] = [randomInode(random), randomInode(random)]
      const wanted = people.reduce(
        (rights, person) =>
          rights | (rightsOf(person, wider, linux) & ~rightsOf(person, narrower, strictest)),
        0
      )
      assert.is(rightsDenied(guarded(narrower), guarded(wider)), wanted, JSON.stringify({ narrower, wider }))
      if (wanted !== 7) denying++
    }
    assert.ok(denying > 300, `${denying}`)
  }
)

/** Without the sticky bit, of which acl(5) does not speak. */
const guarded = ({ mode, access, ...owners }: RandomInode) => ({
  ...owners,
  mode: mode & 0o777,
  access: access ?? minimalAcl(mode)
})

const stack = async (...layers: Promise<Compiled>[]) => stackOf(await Promise.all(layers))
const directory = (mode: number, uid = 0) => layer(['opt/', { mode, uid }])

/** The mode that `opt` has in the end, or what the conflict says. */
async function outcome(
  layers: Promise<Compiled>[],
  options: MergeOptions = {},
  change: (stack: Awaited<ReturnType<typeof stackOf>>) => void = () => {}
): Promise<string> {
  const parts = await stack(...layers)
  change(parts)
  try {
    return shownTree(mergeLayers(parts, options))
      .find(line => line.endsWith(' opt'))!
      .slice(1)
      .split(' ')[0]
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error
    return error.conflicts.map(({ path, reason }) => `${path}: ${reason}`).join()
  }
}

access(
  'the lower keeps its access where the upper admits as many or more, and is a conflict where it admits fewer',
  async () => {
    const over = (lower: number, upper: number, uid = 0) => outcome([directory(lower), directory(upper, uid)])
    assert.is(await over(0o755, 0o755, 1001), '755', 'another owner has more')
    assert.is(await over(0o750, 0o755), '750')
    assert.is(await over(0o755, 0o1755), '755', 'nobody could remove names')
    assert.is(await over(0o755, 0o750), 'opt: 0750 0:0 admits fewer than 0755 0:0')
    assert.is(await over(0o777, 0o755), 'opt: 0755 0:0 admits fewer than 0777 0:0')
    assert.is(await over(0o777, 0o1777), 'opt: 1777 0:0 admits fewer than 0777 0:0')
    assert.is(await over(0o755, 0o700, 1001), 'opt: 0700 1001:0 admits others than 0755 0:0')
  }
)

access('--directories says whose access it is, else --on-conflict upper or the record', async () => {
  const narrower = () => [directory(0o755), directory(0o750)]
  assert.is(await outcome(narrower(), { directories: 'keep' }), '755')
  assert.is(await outcome(narrower(), { directories: 'narrow' }), '750')
  assert.is(await outcome(narrower(), { directories: 'replace' }), '750')
  assert.is(await outcome(narrower(), { onConflict: 'upper' }), '750')
  assert.is(await outcome(narrower(), { onConflict: 'upper', directories: 'keep' }), '755')
  const replaces = (path: string) => path === 'opt'
  assert.is(await outcome(narrower(), {}, parts => (parts[1].replaces = replaces)), '750')
  const others = () => [directory(0o755), directory(0o700, 1001)]
  assert.match(await outcome(others(), { directories: 'narrow' }), /admits others than/)
  assert.is(await outcome(others(), { directories: 'replace' }), '700')
})

access('each decision is listed with its reason', async () => {
  const parts = await stack(directory(0o755), directory(0o750))
  const { overrides, keptDirectories } = mergeLayers(parts, { directories: 'narrow' })
  const reason = '0750 0:0 admits fewer than 0755 0:0'
  assert.equal(overrides, [{ path: 'opt', lower: 0, upper: 1, reason, by: '--directories', names: 0 }])
  assert.equal(keptDirectories, [])
})

access("the mode of an archive's top directory does not restrict access to an image", async () => {
  const tree = mergeLayers(await stack(layer(['./', { mode: 0o755 }]), layer(['./', { mode: 0o700 }])))
  assert.is(tree.inodeLayer[0], 0)
  assert.equal(tree.keptDirectories, [{ path: '', lower: 0, upper: 1, what: ['mode'] }])
})

access("of a module's layers the last one that names the directory counts, and it is told once", async () => {
  const asImage = async (...modes: number[]) => {
    const parts = await stack(directory(0o755), ...modes.map(mode => directory(mode)))
    return parts.map((part, i) => ({ ...part, module: Math.min(i, 1) }))
  }
  assert.equal(shownTree(mergeLayers(await asImage(0o700, 0o777))), ['d755 m0 opt'])
  const { keptDirectories } = mergeLayers(await asImage(0o775, 0o777, 0o777))
  assert.equal(keptDirectories, [{ path: 'opt', lower: 0, upper: 1, what: ['mode'] }])
  const cut = (await asImage(0o700, 0o755)).slice(0, 2)
  assert.equal(shownTree(mergeLayers(cut, { isCut: true })), ['d755 m0 opt'], 'more layers decide')
  assert.throws(
    () => mergeLayers(cut),
    (error: unknown) => error instanceof ConflictError
  )
})

access('a path that several layers of a module change is reported once', async () => {
  const parts = await stack(layer('a=1'), layer('a=2'), layer('a=3'))
  parts[2].module = 1
  try {
    mergeLayers(parts)
    assert.unreachable()
  } catch (error) {
    assert.equal((error as ConflictError).facts, { 'm0-1, m1-1': ['/a: differs in content'] })
    assert.match((error as ConflictError).message, /^modules do not agree on 1 path/)
  }
})

access.run()
