/** A registry that takes known media types alone, and names of few levels, as GitLab's does. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { atAllSize, needing } from '../helpers/needs.ts'
import { sha256 } from '../helpers/oci-layout.ts'
import { bash } from '../helpers/real-tree.ts'
import { startRegistry, stopRegistries } from '../helpers/registry.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const tests = suite('cli: a registry like that of GitLab')
const signed = needing(tests, 'ssh-keygen')
const behind = needing(tests, 'docker-registry', 'skopeo')
const PROJECT = 'group/sub-group/project'

const running: ChildProcess[] = []
tests.after(() => {
  for (const child of running) child.kill('SIGKILL')
  stopRegistries()
})

/** @param upstream a registry behind it, which keeps everything */
function startGitlab(upstream?: string): Promise<string> {
  const program = fileURLToPath(new URL('../helpers/gitlab-registry.js', import.meta.url))
  const child = spawn(process.execPath, [program, PROJECT, ...(upstream === undefined ? [] : [upstream])], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
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

atAllSize(signed)('modules, signatures, locks and images go there and come back as they were', async () => {
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

atAllSize(tests)(
  'a prefix behind the project, which makes names of too many levels, is refused by name',
  async () => {
    const host = await startGitlab()
    const store = newStore()
    importTree(store, 'app/tool-1')
    const refused = composeFails(store, ['push', 'app/tool', `${host}/${PROJECT}/modules`], 61)
    assert.is(refused.code, 'REGISTRY_DENIED')
    assert.match(refused.message, /project\/modules\/app\/tool/)
  }
)

behind(
  'a SIF file goes there as the one layer that Apptainer takes, and a build fetches it from there',
  async () => {
    const { host: real } = await startRegistry()
    const repository = `${await startGitlab(real)}/${PROJECT}/images`
    const [store, folder] = [newStore(), scratch()]
    const at = (name: string) => join(folder, name)
    importTree(store, 'lib/tool-1')
    composed(store, ['build', at('a.sif'), 'lib/tool', '--bare'])
    const push = () => composed(store, ['push', at('a.sif'), `${repository}:1`])
    const pushed = push()
    assert.equal([pushed.outcome, push().outcome, push().sentBytes], ['created', 'same', 0])
    const name = `docker://${real}/${PROJECT}/images:1`
    execFileSync('skopeo', ['copy', '--src-tls-verify=false', name, `dir:${at('copy')}`])
    const text = readFileSync(at('copy/manifest.json'))
    assert.is(sha256(text), pushed.digest)
    const { config, layers, artifactType } = JSON.parse(text.toString())
    assert.equal([config.mediaType, artifactType], ['application/vnd.oci.image.config.v1+json', undefined])
    // `apptainer pull oras://` wants exactly one layer, of this type, whatever the config is.
    assert.equal(
      layers.map(({ mediaType }: { mediaType: string }) => mediaType),
      ['application/vnd.sylabs.sif.layer.v1.sif']
    )
    assert.equal(
      readFileSync(at(`copy/${layers[0].digest.slice('sha256:'.length)}`)),
      readFileSync(at('a.sif'))
    )
    writeFileSync(at('tool.def'), `Bootstrap: oras\nFrom: ${repository}:1\n%files\n    tool.def /def\n`)
    composed(store, ['import', 'app/again-1', at('tool.def')], {
      cwd: folder,
      env: { XDG_CACHE_HOME: at('cache') }
    })
    composed(store, ['build', at('b.sqfs'), 'app/again', '--bare'])
    const fileIn = (image: string) => compose(store, ['cat', at(image), '/file']).out
    assert.ok(fileIn('a.sif').length > 1_000_000)
    assert.ok(fileIn('b.sqfs') === fileIn('a.sif'))
  }
)

tests.run()
