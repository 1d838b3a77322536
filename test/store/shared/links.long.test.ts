import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { whileExchanging } from '../../helpers/exchanging.ts'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { bySize } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { alice, bob, composeAs, composedAs, failsAs, root, runAs, sharedStore, tarball } from './people.ts'

/**
 * A member of the group puts links where folders of the store should be, and names into tmp/. Nothing that root types
 * then leads out of the store. Every planted thing is made by alice herself.
 */
const links = suite('shared store: links in place of folders')
const asRoot = needing(links, 'root')
const long = atAllSize(asRoot)

const ROUNDS = bySize(2, 15)

interface Trap {
  folder: string
  store: string
  outside: string
}

/** A store with a module, and a folder of root's that nobody else may enter. */
function trapped(): Trap {
  const { folder, store } = sharedStore()
  composedAs(root, store, ['import', 'lib/a-1', tarball(folder, 'a')])
  const outside = join(folder, 'outside')
  mkdirSync(outside, { mode: 0o700 })
  for (let i = 0; i < 50; i++) writeFileSync(join(outside, `file-${i}`), 'precious')
  return { folder, store, outside }
}

/** Names, owners, modes, sizes and times of all that is in a folder. */
const listing = (folder: string): string =>
  bash('cd "$1"; find . -printf "%p %U:%G %m %n %s %T@ %C@\\n" | sort', folder).toString()

const asAlice = (store: string, script: string, ...args: string[]): void => {
  const { status, err } = runAs(alice, ['bash', '-e', '-c', script, 'bash', ...args], store)
  assert.is(status, 0, err)
}

asRoot('gc gives no file back through a link', () => {
  const { store, outside } = trapped()
  const before = listing(outside)
  asAlice(
    store,
    `ln -s "$2" "$1/data/l"; echo evil > "$1/tmp/removed!data!l!planted!0123456789abcdef"
    ln -s "$2" "$1/data/zstd-3-128k-2"
    echo evil > "$1/tmp/removed!data!zstd-3-128k-2!ab!$3!0123456789abcdef"`,
    store,
    outside,
    '0'.repeat(62)
  )
  composeAs(root, store, ['gc'])
  composeAs(root, store, ['gc', '--objects', '--grace', '0s'])
  assert.is(listing(outside), before)
})

long('gc empties no folder that takes the place of one in tmp/', async () => {
  const { folder, store, outside } = trapped()
  const before = listing(outside)
  for (let round = 0; round < ROUNDS; round++) {
    asAlice(
      store,
      `cd "$1/tmp"; mkdir -p own/inner; touch own/inner/file-{0..400} own/file-{0..400}; ln -sfn "$2" link
      touch -h -d "3 days ago" own link own/inner`,
      store,
      outside
    )
    await whileExchanging(join(store, 'tmp'), ['own', 'link'], () => {
      composeAs(root, store, ['gc'])
    })
    bash('rm -rf "$1/tmp/own" "$1/tmp/link"', store)
  }
  assert.is(listing(outside), before)
  assert.ok(statSync(folder).isDirectory())
})

long('gc removes no file of another store, whose folder takes the place of one', async () => {
  const { folder, store } = trapped()
  const other = join(folder, 'other')
  composedAs(root, other, ['init', '--group', '61000', '--level', '9'])
  const profile = 'data/zstd-9-128k-2'
  const names = 'for i in {1000..1400}; do printf "%062d\\n" $i; done'
  bash(`cd "$1/$2/ab"; touch $(${names}); touch -d "3 days ago" *`, other, profile)
  const before = listing(join(other, 'data'))
  for (let round = 0; round < ROUNDS; round++) {
    asAlice(
      store,
      `mkdir -p "$1/$2/ab"; cd "$1/$2"; ln -sfn "$3/$2/ab" link; cd ab; touch $(${names}); touch -d "3 days ago" *`,
      store,
      profile,
      other
    )
    await whileExchanging(join(store, profile), ['ab', 'link'], () => {
      composeAs(root, store, ['gc', '--grace', '0s'])
    })
    bash('rm -rf "$1/$2"', store, profile)
  }
  assert.is(listing(join(other, 'data')), before)
})

for (const area of bySize(['data'], ['data', 'objects']))
  asRoot(`a link for a folder of ${area}/ is refused, and named, by what would write through it`, () => {
    const { folder, store, outside } = trapped()
    const before = listing(outside)
    const link = join(store, area, 'zstd-3-128k-2')
    asAlice(store, 'ln -s "$1" "$2"', outside, link)
    writeFileSync(join(folder, 'stack.yaml'), 'modules:\n  - lib/a\n')
    const error = failsAs(root, store, [
      '--stack',
      join(folder, 'stack.yaml'),
      'build',
      '--level',
      '3',
      join(folder, 'a.sqfs')
    ])
    assert.is(error.code, 'STORE_FOLDER')
    assert.match(error.message, link)
    assert.ok(error.hint !== undefined)
    assert.is(listing(outside), before)
  })

long('a link for a folder of packed layers keeps nothing, and the layout is built', () => {
  const { folder, store, outside } = trapped()
  const before = listing(outside)
  const profile = readdirSync(join(store, 'data'))[0]
  for (const how of ['zstd', 'gzip', 'none'])
    asAlice(store, 'ln -s "$1" "$2"', outside, join(store, 'oci', `${profile}-${how}`))
  writeFileSync(join(folder, 'stack.yaml'), 'modules:\n  - lib/a\n')
  composedAs(root, store, [
    '--stack',
    join(folder, 'stack.yaml'),
    'build',
    '--format',
    'oci',
    join(folder, 'layout')
  ])
  assert.is(listing(outside), before)
})

for (const [area, args] of [
  ['modules', ['import', 'evil/b-1', '@']],
  ['history', ['import', 'evil/b-1', '@']],
  ['aliases', ['alias', 'evil/x', 'lib/a']],
  ['defaults', ['default', 'evil/a-1']],
  ['pins', ['pin', '--name', 'p', '@lock']]
] as const)
  asRoot(`a link in refs/${area} is refused by ${args[0]}`, () => {
    const { folder, store, outside } = trapped()
    chmodSync(outside, 0o700)
    const before = listing(outside)
    asAlice(
      store,
      'if [ "$2" = pins ]; then ln -s "$3" "$1/refs/pins"; else mkdir -p "$1/refs/$2"; ln -s "$3" "$1/refs/$2/evil"; fi',
      store,
      area,
      outside
    )
    writeFileSync(join(folder, 'stack.yaml'), 'modules:\n  - lib/a\n')
    composedAs(root, store, ['--stack', join(folder, 'stack.yaml'), 'lock'])
    const typed = args.map(arg =>
      arg === '@' ? tarball(folder, 'b') : arg === '@lock' ? join(folder, 'stack.lock') : arg
    )
    const { status, err } = composeAs(root, store, typed)
    assert.is.not(status, 0, err)
    assert.is(listing(outside), before)
  })

asRoot('a file that has the name of a claim as well is neither written to nor opened to others', () => {
  const { folder, store } = trapped()
  const precious = join(folder, 'of-bob')
  writeFileSync(precious, 'precious', { mode: 0o600 })
  chownSync(precious, bob.uid, bob.uid)
  // A member can do this where the kernel does not guard hard links; here root does it for her.
  bash(
    'cd "$1"; for f in $(find blobs -type f); do ln "$2" "tmp/used!$(tr / ! <<< "$f")"; done',
    store,
    precious
  )
  composedAs(bob, store, ['import', 'lib/a-2', join(folder, 'a.tar')])
  assert.is(readFileSync(precious, 'latin1'), 'precious')
  assert.is(statSync(precious).mode & 0o777, 0o600)
})

links.run()
