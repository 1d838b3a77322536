import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { unpublish } from '../../../store/import/unpublish-module.ts'
import { parseModuleName } from '../../../store/module/name.ts'
import { compose, composeFails } from '../../helpers/compose.ts'
import { needing } from '../../helpers/needs.ts'
import { age, collect, isWhole, tarballs } from '../../helpers/old-store.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { someOf } from '../../helpers/size.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const gc = suite('gc: odd names')
const asRoot = needing(gc, 'root', 'setpriv')

const filesIn = (folder: string): string => bash('find "$1" -printf "%p %s\\n" | sort', folder).toString()

const modulesIn = (root: string): string => filesIn(join(root, 'refs/modules'))

/** Types the command that an error suggests, up to what is said behind it. */
function typeHint(hint = '', title = ''): void {
  const command = hint.split('; ')[0]
  const { status, stderr } = spawnSync('bash', ['-c', command], { env: { ...process.env, HOME: scratch() } })
  assert.is(status, 0, `${title}: ${command}: ${stderr}`)
}

const ODD: [string, string][] = [
  ['a pin with a blank in its name', 'mkdir -p refs/pins; echo > "refs/pins/two words"'],
  [
    'a pin with quotes, a newline and no UTF-8',
    `mkdir -p refs/pins; echo > $'refs/pins/it\\'s \\n\\\\x\\xff'`
  ],
  ['a link among the pins', 'mkdir -p refs/pins; ln -s /etc refs/pins/link'],
  ['a pipe among the pins', 'mkdir -p refs/pins; mkfifo refs/pins/pipe'],
  ['a folder among the pins', 'mkdir -p refs/pins/folder; echo > refs/pins/folder/x'],
  ['a pin that an editor saved', 'mkdir -p refs/pins; echo text > refs/pins/lock~'],
  ['a file among the categories', 'echo > refs/modules/file'],
  ['a version with a letter first', 'echo > refs/modules/app/kept/old'],
  [
    'a ref that is junk',
    'chmod 644 refs/modules/app/kept/1; cp refs/modules/app/kept/1 .; echo > refs/modules/app/kept/2'
  ],
  ['a strange note of the history', 'echo > refs/history/app/kept/1/strange'],
  ['a strange category of the history', 'mkdir -p "refs/history/a b/c/1"']
]

gc('are named with the command that takes them away, and then everything else is collected', async () => {
  for (const [title, script] of someOf(ODD, 4)) {
    const store = await newStore()
    const [one, two] = tarballs(2)
    await importInto(store, 'app/kept-1', [one])
    await importInto(store, 'app/gone-1', [two])
    await unpublish(store, parseModuleName('app/gone-1'))
    const clean = modulesIn(store.root)
    bash(`cd "$1"; ${script}`, store.root)
    age(store.root, 2)
    const before = filesIn(store.root)
    const work = collect(store, { olderThanSeconds: 0, graceSeconds: 0 })
    const { hint } = await refusedLater(work, 'GC_UNSAFE', /^nothing is removed, .*refs/)
    assert.is(filesIn(store.root), before, title)
    typeHint(hint, title)
    assert.is(modulesIn(store.root), clean, title)
    const { freed } = await collect(store, { olderThanSeconds: 0, graceSeconds: 0 })
    assert.ok(freed.blobs.files > 0, title)
    await isWhole(store, 'app/kept-1', one)
  }
})

gc('are counted, where there are several', async () => {
  const store = await newStore()
  bash(
    'cd "$1/refs"; mkdir -p modules/app; echo > modules/a; echo > modules/b; echo > modules/app/c',
    store.root
  )
  const work = collect(store, { graceSeconds: 0 })
  await refusedLater(
    work,
    'GC_UNSAFE',
    /modules\/a is not a folder.*; 2 other faults of this kind below refs$/
  )
})

/** A group, one of its members, and somebody else. */
const [GROUP, MEMBER, STRANGER] = [4242, 12_345, 12_346]

const asMember = (uid: number, groups: string, script: string, folder: string) =>
  spawnSync('setpriv', [`--reuid=${uid}`, `--regid=${uid}`, groups, 'bash', '-c', script, '-', folder])

asRoot(
  'cannot be left in the store of a group by others than its members, and root gets rid of theirs',
  () => {
    const folder = scratch()
    chmodSync(folder, 0o755)
    const store = join(folder, 'store')
    assert.is(compose(store, ['init', '--group', String(GROUP)]).status, 0)
    assert.is(compose(store, ['gc']).status, 0)
    const script =
      'umask 077; mkdir -p "$1/refs/pins/odd" && echo > "$1/refs/pins/odd/x" && echo > "$1/refs/pins/t w"'
    assert.is.not(asMember(STRANGER, '--clear-groups', script, store).status, 0)
    assert.is(compose(store, ['gc']).status, 0, 'a stranger left nothing')
    assert.is(asMember(MEMBER, `--groups=${GROUP}`, script, store).status, 0)
    for (const name of ['odd', 't w']) {
      const { code, hint } = composeFails(store, ['gc'], 12)
      assert.is(code, 'GC_UNSAFE')
      assert.match(hint ?? '', name)
      typeHint(hint, name)
    }
    assert.is(compose(store, ['gc']).status, 0)
  }
)

gc.run()
