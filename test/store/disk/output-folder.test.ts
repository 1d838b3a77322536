/** Outputs that root writes into folders of another user, who may put links in the place of folders on the way. */
import {
  chmodSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { OutputFolder } from '../../../store/disk/output-folder.ts'
import { compose, composed, composeFails } from '../../helpers/compose.ts'
import { whileExchanging } from '../../helpers/exchanging.ts'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refused } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const outputs = suite('outputs: folders of others')
const asRoot = needing(outputs, 'root')
const long = atAllSize(asRoot)

const OTHER = 12_345

/** Commands that write something at `folder`. */
const writers = (folder: string, module = 'lib/a'): string[][] => [
  ['build', `${folder}/x.sqfs`, module],
  ['build', `${folder}/x.sif`, module],
  ['build', '--format', 'tar', `${folder}/x.tar`, module],
  ['build', '--format', 'oci', `${folder}/new`, module],
  ['build', '--sandbox', `${folder}/empty`, module],
  ['push', '--replace', module, `oci-archive:${folder}/x.oci`],
  ['push', module, `oci:${folder}/new`],
  ['lock', module, '-o', `${folder}/x.lock`],
  ['export', module, `${folder}/exported`]
]

interface Site {
  store: string
  home: string
  victim: string
}

/** A folder of root's with files of the same names, and a home of another user with a link to it. */
async function site(): Promise<Site> {
  const { root } = await newStore()
  const top = scratch()
  chmodSync(top, 0o755)
  const [home, victim] = [join(top, 'home'), join(top, 'victim')]
  for (const folder of [home, victim, join(home, 'real')]) mkdirSync(folder)
  symlinkSync('../victim', join(home, 'out'))
  for (const name of ['.', 'real', 'out']) lchownSync(join(home, name), OTHER, OTHER)
  for (const name of ['a', 'b']) {
    bash('mkdir "$1/$2"; echo "$2" > "$1/$2/n"', top, name)
    composed(root, ['import', `lib/${name}-1`, join(top, name)])
  }
  for (const args of writers(victim, 'lib/b')) {
    bash('rm -rf "$1/new"', victim)
    composed(root, args)
  }
  bash('cd "$1"; rm -rf new exported/* empty; mkdir empty', victim)
  return { store: root, home, victim }
}

const seen = (folder: string): string =>
  bash('cd "$1"; find . -printf "%p %U:%G %m %s\\n" | sort; sha256sum *.*', folder).toString()

asRoot('no output of root goes where a link of another user leads', async () => {
  const { store, home, victim } = await site()
  const before = seen(victim)
  for (const args of writers(join(home, 'out'))) {
    const { code, message } = composeFails(store, args, 51)
    assert.is(code, 'FOLDER_UNSAFE', args.join(' '))
    assert.match(message, /out on the way is a symbolic link of user 12345/)
    assert.is(seen(victim), before, args.join(' '))
  }
})

long('outputs go into folders of others, through links of root and as relative names', async () => {
  const { store, home } = await site()
  symlinkSync(join(home, 'real'), join(home, 'roots'))
  for (const args of writers(join(home, 'roots'))) {
    composed(store, args)
    bash('rm -rf "$1/new"', join(home, 'real'))
  }
  for (const name of ['x.sqfs', 'x.sif', 'x.tar', 'x.oci', 'x.lock', 'exported/layer.tar', 'empty/n'])
    assert.ok(readFileSync(join(home, 'real', name)).length > 0, name)
  composed(store, ['build', 'z.sqfs', 'lib/a'], { cwd: join(home, 'out') })
  composed(store, ['build', '../real/y.sqfs', 'lib/a'], { cwd: join(home, 'real') })
  assert.equal(
    readdirSync(join(home, 'real')).filter(name => name.startsWith('.compose')),
    []
  )
})

asRoot('links are followed like those of the system, up to 40', () => {
  const folder = scratch()
  mkdirSync(join(folder, 'a/b'), { recursive: true })
  symlinkSync('a/../a/./b', join(folder, 'relative'))
  symlinkSync(join(folder, 'relative'), join(folder, 'absolute'))
  symlinkSync('round', join(folder, 'round'))
  writeFileSync(join(folder, 'file'), '')
  const at = new OutputFolder(join(folder, 'absolute/x'))
  writeFileSync(at.target, 'here')
  at.close()
  assert.is(readFileSync(join(folder, 'a/b/x'), 'utf8'), 'here')
  const codeOf = (target: string): unknown => {
    try {
      new OutputFolder(join(folder, target)).close()
      return 'opened'
    } catch (error) {
      return (error as NodeJS.ErrnoException).code
    }
  }
  assert.is(codeOf('round/x'), 'ENOTDIR')
  assert.is(codeOf('file/x'), 'ENOTDIR')
  assert.is(codeOf('not-there/x'), 'ENOENT')
  lchownSync(join(folder, 'relative'), OTHER, OTHER)
  refused(() => new OutputFolder(join(folder, 'absolute/x')), 'FOLDER_UNSAFE', /relative on the way/)
})

long('nor where one leads that takes the place of a folder meanwhile', async () => {
  const { store, home, victim } = await site()
  const before = seen(victim)
  await whileExchanging(home, ['real', 'out'], () => {
    for (let round = 0; round < 8; round++)
      for (const args of writers(join(home, 'out'))) {
        compose(store, args)
        assert.is(seen(victim), before, args.join(' '))
      }
  })
})

outputs.run()
