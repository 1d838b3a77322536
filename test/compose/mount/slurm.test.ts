import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { COMPOSE, environment } from '../../helpers/compose.ts'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { composed } from '../../helpers/warm-compose.ts'
import { smallBase } from '../runtime-files/small-base.ts'

/** The prolog and epilog that lie in scripts/site, as Slurm calls them: root, a few variables. */
const slurm = suite('Slurm')

const SITE = fileURLToPath(new URL('../../../../scripts/site/', import.meta.url))

let made: { folder: string; store: string } | undefined

function world() {
  if (made !== undefined) return made
  const folder = scratch()
  const store = join(folder, 'store')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/small-1', smallBase()])
  mkdirSync(join(folder, 'images'))
  for (const name of ['a-1', 'b-2.0']) {
    const image = join(folder, 'images', `${name}.sqfs`)
    composed(store, ['build', '--for', 'mounted', image, 'base/small'])
    composed(store, [
      'lock',
      '--image',
      image,
      '-o',
      join(folder, 'images', `${name}.lock`),
      'base/small',
      '--for',
      'mounted'
    ])
  }
  writeFileSync(join(folder, 'compose'), `#!/bin/sh\nexec ${process.execPath} ${COMPOSE} "$@"\n`, {
    mode: 0o755
  })
  made = { folder, store }
  return made
}

/** Nodes have no store: the locks prove the images. */
function call(script: 'slurm-prolog' | 'slurm-epilog', job: number, comment = '') {
  const { folder } = world()
  return spawnSync(join(SITE, script), {
    encoding: 'utf8',
    env: {
      ...environment(join(folder, 'none')),
      ...{ SLURM_JOB_ID: String(job), SLURM_JOB_COMMENT: comment, COMPOSE_COMMAND: join(folder, 'compose') },
      ...{
        STRATA_IMAGES: join(folder, 'images'),
        STRATA_MOUNTS: join(folder, 'apps'),
        STRATA_STATE: join(folder, 'state')
      }
    }
  })
}

const mounted = (): string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter(line => line.includes(world().folder))
    .map(line => line.split(' ')[1].split('/').at(-1)!)
    .sort()

const NEEDS = ['root', 'flock', 'mountpoint']

needing(slurm, ...NEEDS)('images that jobs name are there until the last of them has ended', () => {
  const first = call('slurm-prolog', 1, 'mine strata=a-1,b-2.0 more')
  assert.is(first.status, 0, first.stderr)
  assert.equal(mounted(), ['a-1', 'b-2.0'])
  assert.ok(existsSync(join(world().folder, 'apps/a-1/.compose/lock')))
  assert.is(call('slurm-prolog', 2, 'strata=a-1').status, 0)
  assert.is(call('slurm-prolog', 3).status, 0)
  call('slurm-epilog', 1)
  assert.equal(mounted(), ['a-1'])
  call('slurm-epilog', 3)
  assert.equal(mounted(), ['a-1'])
  call('slurm-epilog', 2)
  assert.equal(mounted(), [])
})

needing(slurm, ...NEEDS)(
  'a name that leads elsewhere, or an image that its lock does not prove, drains no node and mounts nothing',
  () => {
    const { folder } = world()
    copyFileSync(join(folder, 'images/a-1.sqfs'), join(folder, 'other.sqfs'))
    copyFileSync(join(folder, 'images/a-1.lock'), join(folder, 'other.lock'))
    for (const comment of [
      'strata=../other',
      'strata=.',
      'strata=$(id)',
      'strata=none',
      'strata=a-1/../a-1',
      'strata='
    ]) {
      const { status, stderr } = call('slurm-prolog', 4, comment)
      assert.is(status, 0, stderr)
      assert.equal(mounted(), [], comment)
    }
    const { status, stderr } = call('slurm-epilog', 4)
    assert.is(status, 0, stderr)
  }
)

needing(slurm, ...NEEDS)('a comment lists no folders of the node, and leaves no folder behind', () => {
  const { folder } = world()
  const before = Date.now()
  // As a pattern it would stand for a number of names that the prolog does not live to see.
  const { status, stderr } = call('slurm-prolog', 5, `strata=none,*,?-1 ${'/*/..'.repeat(12)}/*`)
  assert.is(status, 0, stderr)
  assert.ok(Date.now() - before < 20_000)
  assert.equal(mounted(), [])
  assert.not.ok(existsSync(join(folder, 'apps/none')))
  assert.match(stderr, /none is not an image here/)
  // Names that are in nobody's folder, a thousand times.
  const many = call('slurm-prolog', 6, `strata=${'x,'.repeat(1000)}a-1`)
  assert.is(many.status, 0)
  assert.equal(mounted(), ['a-1'])
  call('slurm-epilog', 6)
  assert.equal(mounted(), [])
})

slurm.run()
