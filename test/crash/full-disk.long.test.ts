import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { compose, composed } from '../helpers/compose.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { bySize, someOf } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { assertStoreSound, isSame, type Snapshot, sameWorld, snapshot } from './world.ts'

const full = suite('crash: full disk')
const test = needing(full, 'root', 'mount')
process.setMaxListeners(20) // one for each file system

interface Job {
  name: string
  args: string[]
  /** Run before the disk is filled. */
  before: string[][]
}

const IMPORTED = ['import', 'base/a-1', 'a.tar']
const LOCK = ['lock', 'base/a', '-o', 'a.lock']
const JOBS: Job[] = [
  { name: 'init', before: [], args: ['init', '--level', '1'] },
  { name: 'import', before: [['init', '--level', '1']], args: IMPORTED },
  { name: 'build', before: [['init', '--level', '1'], IMPORTED], args: ['build', 'out.sqfs', 'base/a'] },
  {
    name: 'build --sandbox',
    before: [['init', '--level', '1'], IMPORTED],
    args: ['build', '--sandbox', 'box', 'base/a']
  },
  { name: 'lock', before: [['init', '--level', '1'], IMPORTED], args: LOCK },
  {
    name: 'push to a file',
    before: [['init', '--level', '1'], IMPORTED],
    args: ['push', 'base/a', 'oci-archive:out.tar']
  },
  {
    name: 'push to a folder',
    before: [['init', '--level', '1'], IMPORTED],
    args: ['push', 'base/a', 'oci:layout']
  },
  { name: 'export', before: [['init', '--level', '1'], IMPORTED], args: ['export', 'base/a', 'exported'] }
]

/** A file system of its own for one world. It has enough space until a limit is set. */
function mounted(): { world: string; limit(freeKiB: number): void; unlimit(): void } {
  const world = scratch()
  bash('mount -t tmpfs -o size=64m,nr_inodes=100k tmpfs "$1"', world)
  process.prependListener('exit', () => bash('umount -l "$1"', world)) // before its folder is removed
  const resize = (size: string) => bash('mount -o remount,size="$2" "$1"', world, size)
  return {
    world,
    limit: freeKiB => {
      const usedKiB = Number(bash('df -k --output=used "$1" | tail -1', world).toString())
      resize(`${usedKiB + freeKiB}k`)
    },
    unlimit: () => resize('64m')
  }
}

function prepared({ before }: Job): ReturnType<typeof mounted> {
  const disk = mounted()
  bash(
    'cd "$1"; mkdir t; head -c 300000 /dev/urandom > t/tool; seq 20000 > t/numbers; tar -C t -cf a.tar .; rm -r t',
    disk.world
  )
  for (const args of before) composed(join(disk.world, 'store'), args, { cwd: disk.world })
  return disk
}

/** Paths in the store, or as they were typed. */
const WRITTEN = /\/store(\/|$)|^(out\.sqfs|out\.tar|layout|box|a\.lock|exported\/.*)$/

const FREE_KIB = bySize([0, 16, 200], [0, 4, 8, 16, 64, 200, 400])

/** Entries that an index lost may be written again at any time. */
const essential = (found: Snapshot): Snapshot =>
  new Map([...found].filter(([path]) => !path.startsWith('store/index')))

for (const job of someOf(JOBS, 3))
  test(`${job.name}: an error that says so, nothing lost, nothing left; and it works when there is space`, async () => {
    const disk = prepared(job)
    const store = join(disk.world, 'store')
    const before = essential(snapshot(disk.world))
    let refused = 0
    for (const freeKiB of FREE_KIB) {
      disk.limit(freeKiB)
      const ran = compose(store, ['--json', ...job.args], { cwd: disk.world })
      const when = `${job.name} with ${freeKiB} KiB free`
      if (ran.status === 0) break
      refused++
      assert.is(ran.status, 1, `${when}: ${ran.err}`)
      const { error } = JSON.parse(ran.out)
      assert.is(error.facts.errno ?? error.code, 'ENOSPC', `${when}: ${ran.err}`)
      assert.match(error.message, /no space left|ENOSPC/i, when)
      assert.match(error.hint, /make space/, `${when}: ${ran.err}`)
      const { file, image, sandbox } = error.facts
      assert.match(file ?? image ?? sandbox ?? '', WRITTEN, `${when}: ${ran.out}`)
      disk.unlimit()
      await assertStoreSound(store, when)
      if (job.name !== 'init') {
        assert.equal(readdirSync(join(store, 'tmp')), [], when)
        const now = essential(snapshot(disk.world))
        const gone = [...before].filter(([path, what]) => now.get(path) !== what).map(([path]) => path)
        assert.equal(gone, [], `${when}: lost`)
        // An empty folder to export to is nobody's harm.
        const added = [...now.keys()].filter(path => !before.has(path) && !/^(store\/|exported$)/.test(path))
        assert.equal(added, [], `${when}: left outside the store`)
      }
    }
    assert.ok(refused > 0, 'the disk was never full')
    disk.unlimit()
    if (isSame(before, essential(snapshot(disk.world)))) composed(store, job.args, { cwd: disk.world })
    await assertStoreSound(store, `${job.name} in the end`)
  })

test('import in a small disk gives the very store that it gives in a large one', async () => {
  const [job] = JOBS.filter(({ name }) => name === 'import')
  const [small, large] = [prepared(job), prepared(job)]
  bash('cp "$1/a.tar" "$2/a.tar"', small.world, large.world)
  small.limit(64)
  assert.is(compose(join(small.world, 'store'), job.args, { cwd: small.world }).status, 1)
  small.unlimit()
  for (const { world } of [small, large]) composed(join(world, 'store'), job.args, { cwd: world })
  sameWorld(essential(snapshot(small.world)), essential(snapshot(large.world)), 'after a full disk')
})

full.run()
