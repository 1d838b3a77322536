import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { readRecord } from '../../../store/contents/read-record.ts'
import { exportLayers } from '../../../store/export/export-module.ts'
import { fsck } from '../../../store/fsck/check-store.ts'
import { parseModuleName } from '../../../store/module/name.ts'
import { readRef } from '../../../store/module/ref-file.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import { COMPOSE, environment, startCompose } from '../../helpers/compose.ts'
import { hostLayer, sha256OfFile } from '../../helpers/layers.ts'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize, someOf } from '../../helpers/size.ts'
import { importInto } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { compose, composed } from '../../helpers/warm-compose.ts'

const interrupted = suite('import: killed in the middle')
const long = atAllSize(interrupted)

/** The store is as before or as after, nothing in it is half, and the same import works. */
async function isWhole(root: string, tar: string, when: string): Promise<void> {
  const store = await openRepository({ store: root, path: '' })
  assert.equal((await fsck(store)).findings, [], when)
  const before = readRef(root, parseModuleName('base/host-1'))
  const again = await importInto(store, 'base/host-1', [tar])
  assert.is(again.outcome, before === undefined ? 'created' : 'same', when)
  const out = scratch()
  await exportLayers(store, (await readRecord(store, again.record)).layers, out)
  assert.is(sha256OfFile(join(out, 'layer.tar')), sha256OfFile(tar), when)
}

long('at any time, by the clock', async () => {
  const tar = hostLayer()
  for (const milliseconds of someOf([150, 300, 500, 700], 1)) {
    const store = join(scratch(), 'store')
    composed(store, ['init', '--level', '9'])
    const child = startCompose(store, ['import', 'base/host-1', tar])
    const closed = once(child, 'close') // which it may be before it is killed
    await setTimeout(milliseconds)
    child.kill('SIGKILL')
    await closed
    await isWhole(store, tar, `after ${milliseconds} ms`)
  }
})

const CALLS: [call: string, when: number[]][] = [
  ['linkat', [1, 2, 3, 5]],
  ['unlinkat', [1, 2, 4]],
  ['fsync', [1, 5, 16]]
]

atAllSize(needing(interrupted, 'strace'))('at each step by which files get their names', async () => {
  const tar = join(scratch(), 't.tar')
  bash(
    'cd "$(dirname "$1")"; seq 3000 > f; tar --format=pax --pax-option=SCHILY.xattr.user.a=b -cf t.tar f',
    tar
  )
  let killed = 0
  for (const [call, times] of CALLS)
    for (const time of someOf(times, 2)) {
      const store = join(scratch(), 'store')
      composed(store, ['init', '--level', '1'])
      const { signal } = spawnSync(
        'strace',
        [
          ...[
            '-f',
            '-o',
            '/dev/null',
            '-e',
            `trace=${call}`,
            '-e',
            `inject=${call}:signal=KILL:when=${time}`
          ],
          ...[process.execPath, COMPOSE, 'import', 'base/host-1', tar]
        ],
        { env: environment(store, { UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' }) }
      )
      if (signal === 'SIGKILL') killed++
      await isWhole(store, tar, `${call} ${time}`)
    }
  assert.ok(killed >= bySize(4, 8), `only ${killed} were killed: the kills test nothing`)
})

interrupted('by an error, it leaves nothing in tmp', () => {
  const store = join(scratch(), 'store')
  composed(store, ['init', '--level', '1'])
  const folder = scratch()
  bash('cd "$1"; head -c 3M /dev/urandom > f; tar -cf t.tar f f; truncate -s 2M t.tar', folder)
  assert.is(compose(store, ['import', 'base/host-1', join(folder, 't.tar')]).status, 20)
  assert.is(composed(store, ['fsck']).leftovers, 0)
})

interrupted('two at once publish one module', async () => {
  const tar = hostLayer()
  const store = join(scratch(), 'store')
  composed(store, ['init', '--level', '1'])
  const children = [1, 2, 3].map(() => startCompose(store, ['import', 'base/host-1', tar]))
  const ends = await Promise.all(children.map(child => once(child, 'close')))
  assert.equal(
    ends.map(([status]) => status),
    [0, 0, 0]
  )
  await isWhole(store, tar, 'three at once')
  assert.is(composed(store, ['fsck']).leftovers, 0)
})

interrupted.run()
