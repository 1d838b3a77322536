import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { trustedRunnable } from '../../../compose/run/runnable.ts'
import { startRun } from '../../../compose/run/start-run.ts'
import { needing } from '../../helpers/needs.ts'
import { endPodmanAtExit, podmanOptions } from '../../helpers/runtimes.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { composed } from '../../helpers/warm-compose.ts'
import { smallBase } from '../runtime-files/small-base.ts'

/** The name of an image may lead to another file between the judgement of the policies and the start. */

const held = suite('compose run: the file that was judged')

function images(folder: string): { judged: string; other: string } {
  const store = join(folder, 'store')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/small-1', smallBase()])
  for (const name of ['judged', 'other']) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'name'), name)
    composed(store, ['import', `app/${name}-1`, join(folder, name)])
    composed(store, ['build', join(folder, `${name}.sqfs`), 'base/small', `app/${name}`, '--for', 'everyone'])
  }
  return { judged: join(folder, 'judged.sqfs'), other: join(folder, 'other.sqfs') }
}

for (const [runtime, ...needs] of [
  ['strata', 'fuse', 'squashfuse_ll'],
  ['ch-run', 'user', 'fuse', 'squashfuse'],
  ['bwrap', 'fuse', 'squashfuse'],
  ['podman', 'user']
])
  needing(
    held,
    runtime === 'strata' ? 'fuse' : runtime,
    ...needs
  )(`starts, though its name leads to another one by then: ${runtime}`, async () => {
    const folder = scratch()
    const { judged, other } = images(folder)
    const { root, records } = await trustedRunnable({ kind: 'image', path: judged }, undefined)
    renameSync(other, judged)
    const out = join(folder, 'out')
    mkdirSync(out)
    const temporary = tmpdir()
    if (runtime === 'podman') {
      endPodmanAtExit(folder)
      process.env.TMPDIR = folder
    }
    const ended = await startRun(
      { root: { ...root, held: { ...root.held!, isJudged: true } }, records },
      {
        ...{ runtime, added: {}, isContained: false, isHomeWanted: false },
        runtimeOptions: runtime === 'podman' ? podmanOptions() : [],
        command: ['/bin/sh', '-c', 'read -r name < /name; echo "$name" > /mnt/0/name'],
        binds: [{ source: out, target: '/mnt/0', isReadOnly: false }],
        note: () => {},
        onKept: () => {}
      }
    )
    process.env.TMPDIR = temporary
    await root.held!.file.close()
    assert.equal([ended.status, readFileSync(join(out, 'name'), 'utf8')], [0, 'judged\n'])
  })

held.run()
