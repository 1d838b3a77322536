import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { environment } from '../../helpers/compose.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize, someOf } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { alice, composeAs, composedAs, root, sharedStore, tarball } from './people.ts'

/**
 * Every command that root types in a store of a group, while a member exchanges folders and files for links in a tight
 * loop. Nothing outside is changed.
 */
const attack = suite('shared store: a member against every command of root')

const SECONDS = bySize(2, 20)
const SOURCE = fileURLToPath(new URL('../../../../test/store/shared/exchanger.c', import.meta.url))

function compiled(): string {
  const folder = scratch()
  chmodSync(folder, 0o755)
  const program = join(folder, 'exchanger')
  bash('gcc -O1 -o "$1" "$2"; chmod 755 "$1"', program, SOURCE)
  return program
}

interface Target {
  folder: string
  store: string
  outside: string
  stack: string
}

function target(): Target {
  const { folder, store } = sharedStore()
  composedAs(root, store, ['import', 'lib/a-1', tarball(folder, 'a')])
  tarball(folder, 'b')
  const outside = join(folder, 'outside')
  mkdirSync(outside, { mode: 0o700 })
  for (let i = 0; i < 60; i++) writeFileSync(join(outside, `file-${i}`), 'precious', { mode: 0o600 })
  for (const name of ['ab', 'cd', 'x-1', 'zstd-9-128k-2']) mkdirSync(join(outside, name))
  writeFileSync(join(outside, 'ab', '0'.repeat(62)), 'precious')
  const stack = join(folder, 'stack.yaml')
  writeFileSync(stack, 'modules:\n  - lib/a\n')
  composedAs(root, store, ['--stack', stack, 'lock'])
  return { folder, store, outside, stack }
}

const DIGITS = '0'.repeat(62)

/**
 * Places where alice may put something, in areas that root's commands read, write and clean up. Reading refs/ ends at
 * the first refusal, so areas are attacked one after the other.
 */
const PLACES: Record<string, (store: string) => string[]> = {
  'tmp/': store => [
    'd:tmp/own',
    `f:tmp/removed!data!zstd-3-128k-2!ab!${DIGITS}!0123456789abcdef`,
    `f:tmp/removed!objects!zstd-9-128k-2!ab!${DIGITS}.index!0123456789abcdef`,
    ...bash('cd "$1"; find blobs -type f', store)
      .toString()
      .trim()
      .split('\n')
      .map(path => `f:tmp/used!${path.replaceAll('/', '!')}`)
  ],
  'data/, objects/ and oci/': store => {
    const [profile] = readdirSync(join(store, 'data'))
    const foreign = ['zstd-3-128k-2', 'zstd-9-128k-2']
    return [
      ...foreign.flatMap(name => [`d:data/${name}`, `d:objects/${name}`]),
      ...['zstd', 'gzip', 'none'].map(how => `d:oci/${profile}-${how}`)
    ]
  },
  'refs/ and index/': () => [
    ...['modules/evil', 'modules/lib/b', 'history/evil', 'history/lib/b', 'aliases', 'defaults', 'pins'].map(
      name => `d:refs/${name}`
    ),
    'd:index/facts-0-00000007',
    `d:index/facts-${alice.uid}-00000001`
  ]
}

/** Everything that must stay unchanged: names, owners, modes, sizes, times of modification and of change. */
const listing = (outside: string): string =>
  bash('find "$1" -printf "%P %U:%G %m %n %s %T@ %C@\\n" | sort', outside).toString()

function commands({ folder, stack }: Target): string[][] {
  const on = ['--stack', stack]
  const out = (name: string) => join(folder, `${name}-${process.hrtime.bigint()}`)
  return [
    ['gc'],
    ['import', 'lib/b-1', join(folder, 'b.tar'), '--replace'],
    [...on, 'build', '--level', '3', out('image')],
    [...on, 'build', '--format', 'oci', out('layout')],
    ['alias', 'evil/x', 'lib/a'],
    ['default', 'lib/a-1'],
    [...on, 'lock'],
    ['pin', join(folder, 'stack.lock'), '--name', 'kept'],
    ['gc', '--objects', '--grace', '0s'],
    ['fsck'],
    ['unpublish', 'lib/b-1'],
    ['pin', '--remove', 'kept'],
    ['fsck', '--repair'],
    ['gc', '--grace', '0s', '--older-than', '0s']
  ]
}

for (const [area, placesOf] of someOf(Object.entries(PLACES), 1))
  needing(
    attack,
    'root',
    'gcc'
  )(`in ${area} it changes nothing outside, for ${SECONDS} seconds`, async () => {
    const here = target()
    const { store, outside } = here
    const before = listing(outside)
    const places = placesOf(store)
    const child = spawn(
      'setpriv',
      [
        ...['--reuid', `${alice.uid}`, '--regid', `${alice.uid}`, '--groups', alice.groups.join(','), '--'],
        ...[compiled(), store, outside, ...places]
      ],
      { env: environment(store), stdio: ['ignore', 'pipe', 'inherit'] }
    )
    const end = once(child, 'close')
    const ran: string[] = []
    try {
      await once(child.stdout, 'data')
      const deadline = Date.now() + SECONDS * 1000
      for (let round = 0; round === 0 || Date.now() < deadline; round++)
        for (const args of commands(here)) {
          const { status, err } = composeAs(root, store, args)
          ran.push(`${args.join(' ')}: ${status}`)
          assert.not.match(err, /internal error/, ran.at(-1))
          assert.is(child.exitCode, null, 'the attacker gave up')
          assert.is(listing(outside), before, ran.at(-1))
        }
    } finally {
      child.kill('SIGKILL')
      await end
    }
    console.log(`${ran.length} commands, ${ran.filter(line => line.endsWith(': 0')).length} ended well`)
    worksAgain(here, places)
  })

/** When what the attacker left is cleared away. */
function worksAgain({ folder, store, stack }: Target, places: string[]): void {
  for (const place of places) bash('rm -rf "$1" "$1.link"', join(store, place.slice(2)))
  // The file that gc gave back to her planted name is a damaged index of hers.
  bash('find "$1" -uid "$2" ! -type d -delete', store, `${alice.uid}`)
  composedAs(root, store, ['fsck', '--repair'])
  assert.equal(composedAs(root, store, ['fsck']).findings, [])
  composedAs(root, store, ['--stack', stack, 'build', '--level', '3', join(folder, 'image.sqfs')])
}

attack.run()
