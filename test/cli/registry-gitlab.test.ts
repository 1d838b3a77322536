/** A registry that takes known media types alone, and names of few levels, as GitLab's does. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { atFullSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const tests = suite('cli: a registry like that of GitLab')
const signed = needing(tests, 'ssh-keygen')
const PROJECT = 'group/sub-group/project'

const running: ChildProcess[] = []
tests.after(() => {
  for (const child of running) child.kill('SIGKILL')
})

function startGitlab(): Promise<string> {
  const program = fileURLToPath(new URL('../helpers/gitlab-registry.js', import.meta.url))
  const child = spawn(process.execPath, [program, PROJECT], { stdio: ['ignore', 'pipe', 'inherit'] })
  running.push(child)
  return new Promise(resolve => child.stdout!.once('data', text => resolve(`127.0.0.1:${Number(text)}`)))
}

const newStore = (): string => {
  const store = join(scratch(), 'store')
  assert.is(compose(store, ['init', '--level', '1']).status, 0)
  return store
}

const importTree = (store: string, module: string, ...words: string[]): string => {
  const tree = join(scratch(), 'tree')
  bash('mkdir -p "$1"; head -c 3000000 /dev/urandom > "$1/file"', tree)
  return composed(store, ['import', module, tree, ...words]).record
}

atFullSize(signed)('modules, signatures, locks and images go there and come back as they were', async () => {
  const host = await startGitlab()
  const [first, second, folder] = [newStore(), newStore(), scratch()]
  const at = (name: string) => join(folder, name)
  bash('ssh-keygen -q -t ed25519 -N "" -f "$1/key"', folder)
  const record = importTree(first, 'lib/GCC++-12.2+b1', '--sign', '--key', at('key'))
  const prefix = `${host}/${PROJECT}`
  const push = (...words: string[]) => composed(first, ['push', ...words])
  const [module] = push('lib/GCC++', prefix).modules
  assert.equal([module.reference, module.signatures], [`${prefix}/lib/gcc-plus-plus:12.2_b1`, 1])
  const [pulled] = composed(second, ['pull', module.reference]).modules
  assert.equal([pulled.record, pulled.digest], [record, module.digest])
  assert.is(compose(second, ['fsck']).status, 0)
  // From another store, too, it is the same manifest, and nothing is sent.
  const [again] = composed(second, ['push', 'lib/GCC++', prefix]).modules
  assert.equal([again.digest, again.outcome, again.sentBytes], [module.digest, 'same', 0])
  composed(first, ['lock', 'lib/GCC++', '--bare', '--output', at('a.lock')])
  const stack = push(at('a.lock'), `${prefix}/stacks/a:1`)
  assert.equal(push(at('a.lock'), `${prefix}/stacks/a:1`).digest, stack.digest)
  composed(second, ['pull', `${prefix}/stacks/a:1`, '--lock', at('b.lock')])
  assert.is(readFileSync(at('b.lock'), 'utf8'), readFileSync(at('a.lock'), 'utf8'))
  composed(first, ['build', at('a.sqfs'), 'lib/GCC++', '--bare'])
  const image = push(at('a.sqfs'), `${prefix}/images:1`)
  assert.is(push(at('a.sqfs'), `${prefix}/images:1`).digest, image.digest)
  importTree(first, 'lib/other-1')
  composed(first, ['lock', 'lib/other', '--bare', '--output', at('other.lock')])
  assert.is(composeFails(first, ['push', at('other.lock'), `${prefix}/stacks/a:1`], 64).code, 'TAG_EXISTS')
})

tests('a prefix behind the project, which makes names of too many levels, is refused by name', async () => {
  const host = await startGitlab()
  const store = newStore()
  importTree(store, 'app/tool-1')
  const refused = composeFails(store, ['push', 'app/tool', `${host}/${PROJECT}/modules`], 61)
  assert.is(refused.code, 'REGISTRY_DENIED')
  assert.match(refused.message, /project\/modules\/app\/tool/)
})

tests.run()
