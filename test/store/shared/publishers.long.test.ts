import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { suite } from '../../helpers/suite.ts'
import {
  alice,
  bob,
  carol,
  composeAs,
  composedAs,
  contentFiles,
  failsAs,
  PUBLISHERS,
  reader,
  root,
  runAs,
  sharedStore,
  tarball
} from './people.ts'

const shared = suite('store of a group')
const asRoot = needing(shared, 'root', 'setpriv', 'getfacl')
/** Tests that take too long for a check. */
const longest = atAllSize(asRoot)

const UMASKS = ['000', '022', '077']
const publishers = [alice, bob, carol]

/** Kind, mode and group of all that is there, each of them once. */
const modesIn = (store: string): string =>
  bash(
    `cd "$1"
    find blobs data parts objects refs -printf '%y %m %g\\n'; find . -maxdepth 1 -printf '%p %y %m %g\\n'
    find index -maxdepth 1 -name modules.json -printf '%p %m\\n'; find index/* -type f -printf 'index %m\\n'`,
    store
  )
    .toString()
    .trim()
    .split('\n')
    .filter((line, i, all) => all.indexOf(line) === i)
    .sort()
    .join('\n')

longest('three publishers fill it with the same modes, whatever their umasks and that of its maker', () => {
  const seen = UMASKS.map(umask => {
    const { folder, store } = sharedStore({ umask })
    for (const [i, who] of publishers.entries())
      composedAs(who, store, ['import', `lib/m${i}-1`, tarball(folder, `m${i}`)], { umask: UMASKS[i] })
    composedAs(bob, store, ['import', 'lib/m0-1', tarball(folder, 'm3'), '--replace'], { umask: '077' })
    return modesIn(store)
  })
  assert.is(seen[1], seen[0])
  assert.is(seen[2], seen[0])
  const lines = seen[0].split('\n')
  const g = `${PUBLISHERS}`
  for (const line of [
    `d 3775 ${g}`,
    `d 2775 ${g}`,
    `. d 2755 ${g}`,
    `./tmp d 3770 ${g}`,
    `./refs d 2775 ${g}`,
    `./index d 2775 ${g}`,
    'index/modules.json 444'
  ])
    assert.ok(lines.includes(line), `${line} in\n${seen[0]}`)
  assert.equal(
    lines.filter(line => line.startsWith('d ')),
    [`d 2775 ${g}`, `d 3775 ${g}`]
  )
  assert.equal(
    [...new Set(lines.filter(line => line.startsWith('f ')).map(line => line.split(' ')[1]))],
    ['444']
  )
})

asRoot(
  'a folder for the files of one prefix belongs to who made the store, so that nobody else empties it',
  () => {
    const { store } = sharedStore()
    for (const area of ['blobs/sha256', 'data/zstd-1-128k-2', 'objects/zstd-1-128k-2']) {
      assert.is(readdirSync(join(store, area)).length, 256)
      for (const name of readdirSync(join(store, area))) assert.is(statSync(join(store, area, name)).uid, 0)
    }
  }
)

asRoot('no publisher can write to, cut, replace, rename or remove a file of another', () => {
  const { folder, store } = sharedStore({ umask: '000' })
  composedAs(alice, store, ['import', 'lib/a-1', tarball(folder, 'a')], { umask: '000' })
  const before = bash(
    'cd "$1"; find blobs data parts objects -type f -exec sha256sum {} + | sort',
    store
  ).toString()
  const files = contentFiles(store)
  assert.ok(files.length >= 4)
  for (const file of files)
    for (const attempt of [
      'echo x >> "$1"',
      ': > "$1"',
      'truncate -s 1 "$1"',
      'chmod 666 "$1"',
      'rm -f "$1"',
      'mv "$1" "$1.gone"',
      'cp /etc/hostname "$(dirname "$1")/new" && mv -f "$(dirname "$1")/new" "$1"',
      'setfacl -m u:61012:rw "$1"',
      'touch -d 2001-01-01 "$1"'
    ])
      for (const who of [bob, reader]) {
        const ran = runAs(who, ['bash', '-c', attempt, 'bash', join(store, file)], store)
        assert.is.not(ran.status, 0, `${attempt} of ${file} as ${who.uid}`)
      }
  assert.is(
    bash(
      'cd "$1"; find blobs data parts objects -type f ! -name new -exec sha256sum {} + | sort',
      store
    ).toString(),
    before
  )
})

asRoot('a reader outside the group reads, builds and lists, and can write nowhere', () => {
  const { folder, store } = sharedStore({ umask: '077' })
  composedAs(alice, store, ['import', 'base/a-1', tarball(folder, 'a')], { umask: '077' })
  bash('mkdir -m 777 "$1/out"', folder)
  assert.is(composedAs(reader, store, ['show', 'base/a']).module, 'base/a-1')
  composedAs(reader, store, ['build', '--bare', join(folder, 'out/a.sqfs'), 'base/a'])
  assert.equal(composedAs(reader, store, ['fsck']).findings, [])
  assert.is(failsAs(reader, store, ['import', 'base/b-1', tarball(folder, 'b')]).code, 'STORE_READONLY')
  const writable = runAs(reader, ['find', store, '-writable', '!', '-type', 'l'], store)
  assert.is(writable.out, '')
})

longest(
  'one publisher replaces the module of another one, and finds the same content already published',
  () => {
    const { folder, store } = sharedStore()
    const [a, b] = [tarball(folder, 'a'), tarball(folder, 'b')]
    composedAs(alice, store, ['import', 'lib/x-1', a], { umask: '077' })
    assert.is(composedAs(bob, store, ['import', 'lib/x-1', a]).outcome, 'same')
    assert.is(failsAs(bob, store, ['import', 'lib/x-1', b]).code, 'MODULE_EXISTS')
    assert.is(
      composedAs(bob, store, ['import', 'lib/x-1', b, '--replace'], { umask: '077' }).outcome,
      'replaced'
    )
    assert.is(composedAs(alice, store, ['import', 'lib/x-1', a, '--replace']).outcome, 'replaced')
    assert.equal(composedAs(root, store, ['fsck']).findings, [])
  }
)

longest('publishers who start at once make each folder once, and all of them succeed', () => {
  const { folder, store } = sharedStore({ umask: '077' })
  const tars = publishers.map((_, i) => tarball(folder, `p${i}`))
  const command = (i: number) =>
    `setpriv --reuid ${publishers[i].uid} --regid ${publishers[i].uid} --groups ${publishers[i].groups} \
      bash -c 'umask 077; exec "$@"' bash "$@" import new/thing$n-${i + 1} ${tars[i]} >> "$out/$n.${i}" 2>&1`
  bash(
    `out="$1"; shift; export COMPOSE_STORE="$1"; shift
    for n in 1 2; do ${publishers.map((_, i) => `{ ${command(i)} || echo "failed $?" >> "$out/failed"; } &`).join(' ')} wait; done`,
    folder,
    store,
    process.execPath,
    new URL('../../../cli/main.js', import.meta.url).pathname
  )
  assert.is(bash('cat "$1/failed" 2>/dev/null || true', folder).toString(), '')
  assert.is(composedAs(reader, store, ['fsck']).modules, 6)
  assert.equal(composedAs(root, store, ['fsck']).findings, [])
})

asRoot('lists and searches find what each of several publishers brought', () => {
  const { folder, store } = sharedStore()
  for (const [i, who] of publishers.entries())
    composedAs(who, store, ['import', `lib/m${i}-1`, tarball(folder, `m${i}`)], { umask: '077' })
  const facts = readdirSync(join(store, 'index')).filter(name => name.startsWith('facts-'))
  assert.equal(
    facts.map(name => name.split('-')[1]).sort(),
    publishers.map(({ uid }) => `${uid}`)
  )
  const unreadable = runAs(reader, ['find', join(store, 'index'), '!', '-readable'], store)
  assert.is(unreadable.out, '')
})

longest('fsck finds folders and files that are not as they should be, and --repair sets them right', () => {
  const { folder, store } = sharedStore()
  composedAs(alice, store, ['import', 'lib/a-1', tarball(folder, 'a')])
  const [file] = contentFiles(store)
  bash('cd "$1"; chmod 777 blobs; chgrp 0 refs; chmod 2755 index; chmod 400 "$2"', store, file)
  const ran = composeAs(root, store, ['fsck'])
  assert.is(ran.status, 12)
  const { findings } = JSON.parse(ran.out)
  assert.equal(
    findings.map((finding: { code: string; file: string }) => [finding.code, finding.file]),
    [
      ['STORE_ACCESS', file],
      ['STORE_ACCESS', 'blobs'],
      ['STORE_ACCESS', 'index'],
      ['STORE_ACCESS', 'refs']
    ]
  )
  assert.ok(
    composedAs(root, store, ['fsck', '--repair']).findings.every(
      ({ repaired }: { repaired: boolean }) => repaired
    )
  )
  assert.equal(composedAs(root, store, ['fsck']).findings, [])
})

longest('init names the users who may give a folder to a group, and reports a store of another group', () => {
  const { folder, store } = sharedStore()
  bash('mkdir -m 777 "$1/theirs"', folder)
  const error = failsAs(reader, join(folder, 'theirs/store'), ['init', '--group', `${PUBLISHERS}`])
  assert.is(error.code, 'STORE_ACCESS')
  assert.match(error.hint!, /members of a group/)
  composedAs(alice, join(folder, 'theirs/hers'), ['init', '--group', `${PUBLISHERS}`])
  assert.is(composedAs(root, store, ['init', '--level', '1']).made, false)
  assert.is(failsAs(root, store, ['init', '--level', '9']).code, 'STORE_EXISTS')
  assert.is(failsAs(root, store, ['init', '--level', '1', '--group', '61999']).code, 'STORE_EXISTS')
  assert.is(composedAs(root, store, ['init', '--level', '1', '--group', `${PUBLISHERS}`]).made, false)
  assert.is(failsAs(root, join(folder, 'x'), ['init', '--group', 'no-such-group']).code, 'NAME_UNKNOWN')
  assert.is(composeAs(root, join(folder, 'x'), ['init', '--group', '4294967295']).status, 2)
})

shared.run()
