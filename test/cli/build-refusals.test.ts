import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { EXIT_STATUS } from '../../store/values/errors.ts'
import { atCheckSize } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const refusals = suite('build: what is refused, and what is told')
const long = atCheckSize(refusals)

function newWorld(): { at: (name: string) => string; store: string } {
  const folder = scratch()
  const at = (name: string) => join(folder, name)
  bash(
    `cd "$1"; mkdir -p base/etc old; echo x > base/etc/conf; touch -d @-1.5 base/etc/conf
    tar -C base --format=pax -cf base.tar .`,
    folder
  )
  composed(at('store'), ['init', '--level', '1'])
  composed(at('store'), ['import', 'base/a-1', at('base.tar')])
  return { at, store: at('store') }
}

long(
  'a definition, lock or tarball in the place of OUT is not replaced, and the hint has the right order',
  () => {
    const { at, store } = newWorld()
    const { tar, def, lock } = { tar: at('base.tar'), def: at('tool.def'), lock: at('stack.lock') }
    writeFileSync(def, 'Bootstrap: compose\nFrom: base/a-1\n%post\n true\n')
    composed(store, ['lock', 'base/a', '-o', lock])
    for (const [words, file] of [
      [[def, 'base/a'], def],
      [[def, at('x.sqfs')], def],
      [['--dry-run', def, 'base/a'], def],
      [['--format', 'tar', def, 'base/a'], def],
      [[lock, 'base/a'], lock],
      [[tar, 'base/a'], tar]
    ] as [string[], string][]) {
      const before = readFileSync(file)
      const { code, hint } = composeFails(store, ['build', ...words], EXIT_STATUS.OUTPUT_EXISTS)
      assert.is(code, 'OUTPUT_EXISTS', words.join(' '))
      assert.match(hint ?? '', new RegExp(`^compose build \\S+\\.(sqfs|tar) ${file} `))
      assert.equal(readFileSync(file), before)
    }
  }
)

long('an empty file and an output of the same kind are replaced', () => {
  const { at, store } = newWorld()
  for (const name of ['x.sqfs', 'x.sif', 'x.tar']) {
    writeFileSync(at(name), '')
    const format = name === 'x.tar' ? ['--format', 'tar'] : []
    composed(store, ['build', at(name), 'base/a', ...format])
    composed(store, ['build', at(name), 'base/a', ...format])
  }
  composed(store, ['build', at('x.sif'), 'base/a', '--format', 'squashfs'])
})

long('an unknown compressor, level or block size, before anything is compiled', () => {
  const { at, store } = newWorld()
  const before = readdirSync(join(store, 'objects'))
  for (const flags of [
    ['--comp', 'xz'],
    ['--comp', 'gzip', '--level', '15'],
    ['--level', '0'],
    ['--level', '-5'],
    ['--level', '99'],
    ['--level', '1.5'],
    ['--level', 'abc'],
    ['--block', '0'],
    ['--block', '3K'],
    ['--block', '2M']
  ])
    for (const words of [
      ['build', at('out.sqfs'), 'base/a'],
      ['lock', 'base/a']
    ])
      composeFails(store, [...words, ...flags], EXIT_STATUS.USAGE, { cwd: at('.') })
  assert.not.ok(existsSync(at('out.sqfs')))
  assert.equal(readdirSync(join(store, 'objects')), before)
  assert.equal(composed(store, ['fsck']).findings, [])
})

refusals('an image as the target, and standard output for an image', () => {
  const { at, store } = newWorld()
  composed(store, ['build', at('image.sqfs'), 'base/a'])
  const { hint } = composeFails(store, ['build', at('again.sqfs'), at('image.sqfs')], EXIT_STATUS.USAGE)
  assert.match(hint!, /compose extract/)
  composeFails(store, ['build', '-', 'base/a'], EXIT_STATUS.USAGE)
  assert.not.ok(existsSync('-'))
})

long('an unpacked image whose times SquashFS could not hold is not reported as stored', () => {
  const { at, store } = newWorld()
  composed(store, ['build', at('image.sqfs'), 'base/a'])
  const ran = compose(store, ['extract', at('image.sqfs'), at('unpacked')])
  assert.match(ran.out, /times in whole seconds/)
  composed(store, ['import', 'base/again-1', at('unpacked'), '--flatten'])
  const { lock } = composed(store, ['build', at('again.sqfs'), 'base/again'])
  assert.match(ran.out, new RegExp(`tree sha256:${lock.tree.replace('sha256:', '')};`), 'what is there')
})

refusals('a generated file that was deleted in a sandbox is named', () => {
  const { at, store } = newWorld()
  composed(store, ['build', '--sandbox', at('box'), 'base/a'])
  bash('rm "$1/etc/hosts"', at('box'))
  assert.equal(composed(store, ['build', at('box.sqfs'), at('box')]).edits.regenerated, [
    { path: '/etc/hosts' }
  ])
  assert.match(compose(store, ['build', '--verbose', at('box.sqfs'), at('box')]).out, /etc\/hosts/)
})

refusals.run()
