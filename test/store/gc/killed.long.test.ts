import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { fsck } from '../../../store/fsck/check-store.ts'
import { unpublish } from '../../../store/import/unpublish-module.ts'
import { parseModuleName } from '../../../store/module/name.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import { COMPOSE, environment } from '../../helpers/compose.ts'
import { needing } from '../../helpers/needs.ts'
import { age, collect, isWhole, listing, tarballs } from '../../helpers/old-store.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize, someOf } from '../../helpers/size.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

/** STRATA_KILLS=all kills at each step, which takes minutes. */
const isThorough = process.env.STRATA_KILLS === 'all'

const killed = suite('gc: killed in the middle')

/** Killed at the `time`-th such call. @returns whether it got so far */
function killAt(root: string, call: string, time: number): boolean {
  const { signal, status } = spawnSync(
    'strace',
    [
      ...['-f', '-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:signal=KILL:when=${time}`],
      ...[process.execPath, COMPOSE, 'gc', '--grace', '0s', '--older-than', '0s']
    ],
    { env: environment(root, { UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' }) }
  )
  assert.ok(signal === 'SIGKILL' || status === 0, `${call} ${time}: status ${status}`)
  return signal === 'SIGKILL'
}

const CALLS: [call: string, some: number[]][] = [
  ['renameat', [1, 2, 5, 6]],
  ['unlinkat', [1, 3, 4, 8, 9]],
  ['linkat', [1]],
  ['fsync', [2, 4, 6]]
]

needing(killed, 'strace')(
  'at each step, it leaves what is needed, and the next one does the rest',
  async () => {
    const store = await newStore()
    const [one, two] = tarballs(2)
    await importInto(store, 'app/kept-1', [one])
    const wanted = listing(store.root)
    await importInto(store, 'app/gone-1', [two])
    await unpublish(store, parseModuleName('app/gone-1'))
    age(store.root, 2)
    let kills = 0
    for (const [call, some] of CALLS)
      for (let time = 1; isThorough || time <= some.at(-1)!; time++) {
        if (!isThorough && !someOf(some, 2).includes(time)) continue
        const root = join(scratch(), 'copy')
        bash('cp -a "$1" "$2"', store.root, root)
        const when = `after ${call} ${time}`
        if (!killAt(root, call, time)) break
        kills++
        const copy = await openRepository({ store: root, path: '' })
        await isWhole(copy, 'app/kept-1', one, when)
        await collect(copy, { graceSeconds: 0, olderThanSeconds: 0 })
        assert.equal(listing(root), wanted, when)
        assert.equal((await fsck(copy)).findings, [], when)
        bash('rm -r "$1"', root)
      }
    console.log(`${kills} killed`)
    assert.ok(kills >= bySize(6, 11), `only ${kills} were killed: the kills test nothing`)
  }
)

killed.run()
