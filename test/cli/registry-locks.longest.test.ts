/** Locks in a real registry: with their modules, and an image that others run. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../helpers/needs.ts'
import { startRegistry, stopRegistries } from '../helpers/registry.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { newSite, newStore } from '../helpers/tool-site.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const tests = suite('cli: locks in registries')
const registry = needing(tests, 'docker-registry', 'skopeo', 'umoci', 'openssl')
tests.after(stopRegistries)

registry('a lock comes with its modules, and leads to the same image elsewhere', async () => {
  const server = await startRegistry()
  const { store, folder, options } = newSite()
  const to = `${server.host}/stacks/tool:1`
  const pushed = composed(store, ['push', 'stack.lock', to], options)
  assert.is(pushed.outcome, 'created')
  assert.equal(composed(store, ['push', 'stack.lock', to], options), {
    ...pushed,
    outcome: 'same',
    sentBytes: 0
  })
  const [other, there] = [newStore(), scratch()]
  const pulled = composed(other, ['pull', to], { cwd: there })
  assert.equal(
    [pulled.lock, pulled.modules.map(({ module }: { module: string }) => module)],
    ['stack.lock', ['base/os-1', 'app/tool-1']]
  )
  assert.ok(readFileSync(join(folder, 'stack.lock')).equals(readFileSync(join(there, 'stack.lock'))))
  composed(store, ['build', 'a.sqfs', 'stack.lock'], options)
  composed(other, ['build', 'a.sqfs', 'stack.lock'], { cwd: there })
  assert.ok(readFileSync(join(folder, 'a.sqfs')).equals(readFileSync(join(there, 'a.sqfs'))))
  assert.is(compose(other, ['fsck']).status, 0)
  // A lock of the user's own is not replaced unasked.
  writeFileSync(join(there, 'stack.lock'), '{"strata":"lock"}')
  assert.is(composeFails(other, ['pull', to], 37, { cwd: there }).code, 'OUTPUT_EXISTS')
  composed(other, ['pull', to, '--lock', 'second.lock'], { cwd: there })
  assert.ok(existsSync(join(there, 'second.lock')))
})

registry('modules that a lock does not name are refused, and names stay with --replace', async () => {
  const server = await startRegistry()
  const { store, folder, options } = newSite()
  const to = `${server.host}/stacks/tool:1`
  composed(store, ['push', '--no-image', 'stack.lock', to], options)
  const [other, there] = [newStore(), scratch()]
  const { record } = composed(other, ['import', 'app/tool-1', join(folder, 'tool')])
  composed(other, ['pull', to, '--replace'], { cwd: there })
  assert.is(composed(other, ['show', 'app/tool-1']).record, record)
  // Someone who may push adds a module to the index.
  composed(store, ['import', 'app/other-1', join(folder, 'tool')], options)
  composed(store, ['lock', 'base/os', 'app/other', '-o', 'more.lock'], options)
  composed(store, ['push', '--no-image', 'more.lock', `${server.host}/stacks/tool:2`], options)
  const [one, two] = await Promise.all(['1', '2'].map(tag => indexOf(server.host, tag)))
  const strange = two.manifests.at(-1)!
  const clean = newStore()
  for (const [manifests, message] of [
    [[...one.manifests, strange], /sends 3 modules, but its lock names 2/],
    [[...one.manifests.slice(0, -1), strange], /app\/other-1 .*, which its lock does not name/]
  ] as const) {
    const { status } = await fetch(`http://${server.host}/v2/stacks/tool/manifests/1`, {
      method: 'PUT',
      headers: { 'content-type': INDEX },
      body: JSON.stringify({ ...one, manifests })
    })
    assert.is(status, 201)
    assert.match(composeFails(clean, ['pull', to], 63, { cwd: scratch() }).message, message)
  }
  assert.equal(composed(clean, ['avail']).modules, [])
})

const INDEX = 'application/vnd.oci.image.index.v1+json'

async function indexOf(host: string, tag: string): Promise<{ manifests: object[] }> {
  const answer = await fetch(`http://${host}/v2/stacks/tool/manifests/${tag}`, { headers: { accept: INDEX } })
  return (await answer.json()) as { manifests: object[] }
}

registry('others take the image of a lock, and pass over what is not theirs', async () => {
  const server = await startRegistry()
  const { store, folder, options } = newSite()
  const to = `${server.host}/stacks/tool:1`
  composed(store, ['push', 'stack.lock', to], options)
  const copy = join(folder, 'copy')
  const platform = ['--override-arch', 'amd64', '--override-os', 'linux']
  execFileSync('skopeo', [...platform, 'copy', '--src-tls-verify=false', `docker://${to}`, `oci:${copy}:1`])
  execFileSync('umoci', ['unpack', '--rootless', '--image', `${copy}:1`, join(folder, 'bundle')], {
    stdio: 'ignore'
  })
  assert.match(readFileSync(join(folder, 'bundle/rootfs/opt/tool/hello'), 'utf8'), /^hello from a tool/)
  const tags = JSON.parse(
    execFileSync('skopeo', [
      'list-tags',
      '--tls-verify=false',
      `docker://${server.host}/stacks/tool`
    ]).toString()
  ).Tags
  // Each manifest has a tag, so that no collector takes it: index, image, lock and two modules.
  assert.is(tags.length, 5)
})

registry('modules that lie below a remote are mounted, and no byte of them is sent', async () => {
  const server = await startRegistry()
  const { store, options } = newSite()
  composed(store, ['remote', 'add', 'site', `${server.host}/site`], options)
  composed(store, ['push', '--all', 'site'], options)
  const { sentBytes } = composed(
    store,
    ['push', '--no-image', 'stack.lock', `${server.host}/stacks/tool`],
    options
  )
  assert.ok(sentBytes < 4096, `${sentBytes} bytes: those of the lock`)
})

registry('what a user has sent to a registry is mounted, also where no remote names it', async () => {
  const server = await startRegistry()
  const { store, folder, options } = newSite()
  const user = { ...options, env: { XDG_CACHE_HOME: join(folder, 'cache') } }
  const push = (...words: string[]) => composed(store, ['push', '--no-image', ...words], user)
  const uploads = () => server.requests().filter(line => /^PUT .*\/blobs\/uploads\//.test(line))
  const { modules } = push('app/tool', 'base/os', `${server.host}/first`)
  assert.ok(modules.every(({ sentBytes }: { sentBytes: number }) => sentBytes > 0))
  const { sentBytes } = push('stack.lock', `${server.host}/stacks/tool`)
  assert.ok(sentBytes < 4096, `${sentBytes} bytes: those of the lock`)
  const sent = uploads().length
  assert.ok(sent > 0)
  const again = push('app/tool', 'base/os', `${server.host}/second`)
  assert.ok(again.modules.every(({ sentBytes }: { sentBytes: number }) => sentBytes === 0))
  assert.is(uploads().length, sent)
  const other = newStore()
  composed(other, ['pull', `${server.host}/second/app/tool:1`])
  assert.is(compose(other, ['fsck']).status, 0)
})

needing(
  tests,
  'docker-registry',
  'openssl',
  'ssh-keygen'
)('the signature of a lock goes with it and comes beside it, and one of other bytes is refused', async () => {
  const server = await startRegistry()
  const { store, folder, options } = newSite()
  const to = `${server.host}/stacks/tool:1`
  const key = join(folder, 'key')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  composed(store, ['push', '--no-image', 'stack.lock', to], options)
  composed(store, ['sign', 'stack.lock', '--key', key], options)
  // A signature that is made later changes nothing of the lock in the registry.
  assert.is(composed(store, ['push', '--no-image', 'stack.lock', to], options).outcome, 'same')
  const [other, there] = [newStore(), scratch()]
  composed(other, ['pull', to, '--lock', 'my.lock'], { cwd: there })
  assert.ok(readFileSync(join(there, 'my.lock.sig')).equals(readFileSync(join(folder, 'stack.lock.sig'))))
  const verify = ['-Y', 'check-novalidate', '-n', 'strata-lock', '-s', join(there, 'my.lock.sig')]
  const said = execFileSync('ssh-keygen', verify, { input: readFileSync(join(there, 'my.lock')) })
  assert.match(said.toString(), /^Good "strata-lock" signature/)
  writeFileSync(join(folder, 'stack.lock'), `${readFileSync(join(folder, 'stack.lock'), 'utf8')}\n`)
  const refused = composeFails(store, ['push', '--no-image', 'stack.lock', to, '--replace'], 71, options)
  assert.is(refused.code, 'SIGNATURE_INVALID')
  assert.match(refused.hint ?? '', /compose sign stack\.lock/)
})

registry('a lock that is not for everyone goes only where a login is asked for', async () => {
  const [open, closed] = [await startRegistry(), await startRegistry({ auth: 'htpasswd' })]
  const { store, options } = newSite('--access-group', '4242', '--no-redistribute')
  const words = (host: string) => ['push', '--no-image', 'stack.lock', `${host}/stacks/tool`]
  composed(store, ['login', closed.host, '-u', 'me', '--password-stdin'], {
    ...options,
    input: Buffer.from('secret')
  })
  assert.is(composeFails(store, words(closed.host), 19, options).code, 'NOT_REDISTRIBUTABLE')
  assert.is(composeFails(store, [...words(open.host), '--internal'], 44, options).code, 'ACCESS_WIDER')
  assert.is(composed(store, [...words(closed.host), '--internal'], options).outcome, 'created')
})

tests.run()
