/** Forgeries that another publisher puts into index/, to which every publisher may write. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Level } from 'level'
import * as assert from 'uvu/assert'
import { type DatabaseFolder, databaseFolders, nextFolder } from '../../../store/index/database-folder.ts'
import { FACTS } from '../../../store/index/facts-keys.ts'
import { openFactsViews } from '../../../store/index/facts-view.ts'
import { addLayers } from '../../../store/index/facts-writer.ts'
import { removeDatabase } from '../../../store/index/open-folder.ts'
import { Trap } from '../../helpers/exchanging.ts'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { someOf } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { alice, bob, composedAs, root, runAs, sharedStore, tarball } from '../shared/people.ts'
import { indexedStore, lookUp } from './indexed-store.ts'

const hostile = suite('index: of another publisher')
const longHostile = atAllSize(hostile)
const asRoot = needing(hostile, 'root', 'setpriv')
const long = atAllSize(asRoot)

interface Attacked {
  folder: string
  store: string
  /** The forged folder. */
  forged: string
  victims: string[]
}

/** Alice's database, copied by Bob as her newest one, with links to her files and root's under all names that LevelDB may write. */
function attacked(more = 'true'): Attacked {
  const { folder, store } = sharedStore()
  composedAs(alice, store, ['import', 'lib/a-1', tarball(folder, 'a')])
  const victims = ['hers', 'roots'].map(name => join(folder, name))
  for (const path of victims) writeFileSync(path, 'precious\n', { mode: 0o600 })
  bash('chown "$1:$1" "$2"', `${alice.uid}`, victims[0])
  const forged = join(store, `index/facts-${alice.uid}-00009999`)
  const script = `mkdir -m 777 "$2"; cp "$1"/* "$2"; chmod 666 "$2"/*; ln -s "$3" "$2/zzz"
    for n in $(seq 40); do
      for name in $(printf 'MANIFEST-%06d %06d.log %06d.ldb' $n $n $n); do [ -e "$2/$name" ] || ln -s "$3" "$2/$name"; done
    done; ${more}`
  for (const victim of victims) {
    const target = join(store, `index/facts-${victim === victims[0] ? alice.uid : 0}-00009999`)
    const ran = runAs(
      bob,
      ['bash', '-euc', script, 'bash', databaseOf(store, alice.uid), target, victim],
      store
    )
    assert.is(ran.status, 0, ran.err)
  }
  return { folder, store, forged, victims }
}

const databaseOf = (store: string, uid: number): string =>
  join(store, databaseFolders(store, FACTS).findLast(folder => folder.uid === uid)!.path)

function assertUntouched({ victims }: Attacked): void {
  for (const path of victims) {
    assert.is(readFileSync(path, 'latin1'), 'precious\n')
    assert.is(statSync(path).mode & 0o777, 0o600)
  }
}

/** Numbers of layers in databases, by user. */
async function covered(store: string): Promise<number[]> {
  const views = await openFactsViews(store)
  for (const view of views) await view.close()
  return views.map(({ layers }) => layers.size).sort()
}

for (const [title, script] of someOf(
  [
    ['', 'true'],
    [' with a pipe in it', 'rm "$2/CURRENT"; mkfifo -m 666 "$2/CURRENT"'],
    [' without links', 'find "$2" -type l -delete']
  ] as const,
  1
))
  asRoot(
    `a database under a publisher’s name${title} that is another’s is not written to or believed`,
    async () => {
      const there = attacked(script)
      const { folder, store, forged } = there
      const before = readdirSync(forged).join()
      composedAs(alice, store, ['import', 'lib/b-1', tarball(folder, 'b')])
      assertUntouched(there)
      assert.equal(await covered(store), [2], 'hers, with both layers')
      composedAs(root, store, ['fsck'])
      assertUntouched(there)
      assert.equal(await covered(store), [2], 'root’s alone')
      assert.is(readdirSync(forged).join(), before)
      const { providers } = lookUp(store, ['provides', 'secret-name-b']) as { providers: string[] }
      assert.equal(providers, ['lib/b-1 opt/b/secret-name-b file'])
    }
  )

long('a database of one’s own that others can write to, or that holds a link, counts as none', async () => {
  for (const script of ['chmod 777 "$1"', 'chmod 666 "$1/CURRENT"', 'ln "$1/CURRENT" "$1/../other"']) {
    const { folder, store } = sharedStore()
    composedAs(alice, store, ['import', 'lib/a-1', tarball(folder, 'a')])
    bash(script, databaseOf(store, alice.uid))
    assert.equal(await covered(store), [], script)
    composedAs(alice, store, ['import', 'lib/b-1', tarball(folder, 'b')], { umask: '000' })
    assert.equal(await covered(store), [2], script)
  }
})

asRoot('files of a database are never for others to write to, whatever the umask', async () => {
  const { folder, store } = sharedStore()
  composedAs(alice, store, ['import', 'lib/a-1', tarball(folder, 'a')], { umask: '000' })
  const path = databaseOf(store, alice.uid)
  composedAs(alice, store, ['import', 'lib/b-1', tarball(folder, 'b')], { umask: '002' })
  assert.is(databaseOf(store, alice.uid), path, 'the same database')
  assert.is(bash('find "$1" -perm /022', path).toString(), '')
})

longHostile('a folder that is exchanged with a link while it is removed leads nowhere else', async () => {
  const uid = process.geteuid!()
  const trap = new Trap('facts-0-00000001', 'facts-0-00000002')
  await trap.whileExchanged(300, () => {
    try {
      removeDatabase({ root: trap.folder, path: 'facts-0-00000001', uid })
    } catch {}
  })
})

needing(hostile, 'root')(
  'a folder under another’s name is not removed, nor what others can write to',
  async () => {
    const { store, index } = await indexedStore()
    for (const script of ['chown 12345 "$1"', 'chmod 775 "$1"']) {
      bash(`mkdir "$1"; touch "$1/file"; ${script}`, join(index, 'facts-0-00000077'))
      removeDatabase({ root: store.root, path: 'index/facts-0-00000077', uid: 0 })
      assert.ok(statSync(join(index, 'facts-0-00000077/file')))
      bash('rm -r "$1"', join(index, 'facts-0-00000077'))
    }
  }
)

hostile('the next number passes over names that somebody else took', async () => {
  const { store, index } = await indexedStore()
  const uid = process.geteuid!()
  const folders: DatabaseFolder[] = databaseFolders(store.root, FACTS)
  assert.is(basename(nextFolder(FACTS, folders)), `facts-${uid}-00000002`)
  bash('mkdir -m 777 "$1"', join(index, `facts-${uid}-99999999`))
  assert.is(basename(nextFolder(FACTS, databaseFolders(store.root, FACTS))), `facts-${uid}-00000002`)
  bash('mkdir -m 777 "$1"', join(index, `facts-${uid}-00000002`))
  assert.is(basename(nextFolder(FACTS, databaseFolders(store.root, FACTS))), `facts-${uid}-00000003`)
})

hostile('a database that cannot be begun is closed before its folder is removed', async () => {
  const { store, index } = await indexedStore()
  bash('rm -r "$1"/facts-*', index)
  const calls: string[] = []
  const { close } = Level.prototype
  Object.assign(Level.prototype, {
    async put() {
      throw new Error('no space left')
    },
    async close(this: Level) {
      calls.push(readdirSync(join(store.root, 'tmp')).length === 1 ? 'closed' : 'too late')
      return close.call(this)
    }
  })
  try {
    await addLayers(store.root, [], { rebuild: true, budgetMs: 0 }).then(
      () => assert.unreachable(),
      error => assert.is(error.message, 'no space left')
    )
  } finally {
    for (const method of ['put', 'close']) Reflect.deleteProperty(Level.prototype, method)
  }
  assert.equal(calls, ['closed'])
  assert.equal(readdirSync(join(store.root, 'tmp')), [])
})

hostile.run()
