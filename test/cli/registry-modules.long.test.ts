/** Modules in a real registry: pushed from one store, pulled into another, as they are. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import * as assert from 'uvu/assert'
import { atAllSize, needing } from '../helpers/needs.ts'
import { noise } from '../helpers/noise.ts'
import { bash } from '../helpers/real-tree.ts'
import { startRegistry, stopRegistries } from '../helpers/registry.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const tests = suite('cli: modules in registries')
const registry = needing(tests, 'docker-registry', 'skopeo', 'openssl')
const signed = needing(tests, 'docker-registry', 'ssh-keygen', 'openssl')
tests.after(stopRegistries)

const newStore = (level = 1): string => {
  const store = join(scratch(), 'store')
  assert.is(compose(store, ['init', '--level', String(level)]).status, 0)
  return store
}

/** Files of which none can be packed. */
function newFiles(folder: string, megabytes: number[]): string {
  mkdirSync(join(folder, 'opt'), { recursive: true })
  for (const [i, size] of megabytes.entries())
    writeFileSync(join(folder, 'opt', `file${i}`), noise(`file${i}`, size * 1e6))
  writeFileSync(join(folder, 'opt/small'), 'some text\n'.repeat(1000))
  return folder
}

const filesIn = (store: string, ...folders: string[]): string[] =>
  folders.flatMap(folder =>
    readdirSync(join(store, folder), { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile() && !entry.name.endsWith('.checked'))
      .map(entry => join(entry.parentPath, entry.name).slice(store.length))
  )

registry('a module comes to another store as it is, and leads to the same image', async () => {
  const server = await startRegistry()
  const [first, second, folder] = [newStore(), newStore(), scratch()]
  const source = newFiles(join(folder, 'tree'), [3, 5])
  bash(
    'cd "$1"; touch -d @0 opt opt/*; setfacl -m u:1234:r opt/small; chmod u+s opt/file0; ln opt/file1 opt/again; truncate -s 3M opt/holes; printf x | dd of=opt/holes bs=1 seek=2000000 conv=notrunc status=none; touch -d @0 opt/holes',
    source
  )
  const imported = composed(first, ['import', 'lib/tool++-1.2+a', source, '--allow-privileged'])
  const pushed = composed(first, ['push', 'lib/tool++', `${server.host}/site/all`])
  const [module] = pushed.modules
  assert.is(module.reference, `${server.host}/site/all/lib/tool-plus-plus:1.2_a`)
  assert.is(module.outcome, 'created')
  const pulled = composed(second, ['pull', module.reference]).modules[0]
  assert.is(pulled.record, imported.record)
  assert.is(pulled.outcome, 'created')
  for (const folder of ['blobs', 'data', 'parts', 'objects'])
    assert.equal(filesIn(second, folder).sort(), filesIn(first, folder).sort(), folder)
  for (const path of filesIn(first, 'blobs', 'data', 'parts', 'objects'))
    assert.ok(readFileSync(first + path).equals(readFileSync(second + path)), path)
  assert.is(compose(second, ['fsck']).status, 0)
  const images = [first, second].map((store, i) => {
    const image = join(folder, `${i}.sqfs`)
    composed(store, ['build', image, 'lib/tool++', '--bare'])
    return readFileSync(image)
  })
  assert.ok(images[0].equals(images[1]))
  const before = server.requests().length
  const again = composed(second, ['push', 'lib/tool++', `${server.host}/site/all`])
  assert.equal([again.sentBytes, again.modules[0].digest], [0, module.digest])
  assert.equal(
    server
      .requests()
      .slice(before)
      .filter(line => /^(POST|PATCH)/.test(line)),
    []
  )
})

registry('the manifest holds only what OCI allows, and skopeo copies it with its digest', async () => {
  const server = await startRegistry()
  const [store, folder] = [newStore(), scratch()]
  composed(store, ['import', 'app/tool-1', newFiles(join(folder, 'tree'), [1])])
  const [{ reference, digest, record }] = composed(store, ['push', 'app/tool', server.host]).modules
  assert.is(reference, `${server.host}/app/tool:1`)
  const copy = join(folder, 'copy')
  execFileSync('skopeo', ['copy', '--src-tls-verify=false', `docker://${reference}`, `oci:${copy}:x`])
  const index = JSON.parse(readFileSync(join(copy, 'index.json'), 'utf8'))
  assert.is(index.manifests[0].digest, digest)
  const tags = JSON.parse(
    execFileSync('skopeo', ['list-tags', '--tls-verify=false', `docker://${server.host}/app/tool`]).toString()
  ).Tags
  assert.equal(tags.sort(), ['1', record].sort())
})

registry('skopeo carries a module over in an archive, and it is the same on the other side', async () => {
  const [here, there] = [await startRegistry(), await startRegistry()]
  const [store, other, archive] = [newStore(), newStore(), join(scratch(), 'tool.tar')]
  composed(store, ['import', 'app/tool-1', newFiles(join(scratch(), 'tree'), [1])])
  const [{ reference, digest }] = composed(store, ['push', 'app/tool', `${here.host}/site`]).modules
  const to = `${there.host}/partner/app/tool:1`
  const copy = (...words: string[]) =>
    execFileSync('skopeo', ['copy', '--src-tls-verify=false', '--dest-tls-verify=false', ...words])
  copy(`docker://${reference}`, `oci-archive:${archive}`)
  copy(`oci-archive:${archive}`, `docker://${to}`)
  assert.is(composed(other, ['pull', to]).modules[0].digest, digest)
})

atAllSize(registry)('a new version sends and fetches only what is new', async () => {
  const server = await startRegistry()
  const [first, second, folder] = [newStore(), newStore(), scratch()]
  const source = newFiles(join(folder, 'tree'), [6, 6, 6, 6, 6])
  const to = `${server.host}/site`
  composed(first, ['import', 'app/tool-1', source])
  const whole = composed(first, ['push', 'app/tool-1', to]).sentBytes
  composed(second, ['pull', `${to}/app/tool:1`])
  writeFileSync(join(source, 'opt/file2'), noise('another', 3e6))
  composed(first, ['import', 'app/tool-2', source])
  const { sentBytes } = composed(first, ['push', 'app/tool-2', to])
  // 3 MB are new; the next file's part holds the end of the new one as well.
  assert.ok(sentBytes < whole / 3, `${sentBytes} of ${whole}`)
  const { receivedBytes } = composed(second, ['pull', `${to}/app/tool:2`])
  assert.ok(receivedBytes <= sentBytes, `${receivedBytes} of ${sentBytes}`)
  assert.is(compose(second, ['fsck']).status, 0)
})

registry('a first push asks for the first blobs alone, a later one for all', async () => {
  const server = await startRegistry()
  const store = newStore()
  composed(store, ['import', 'app/tool-1', newFiles(join(scratch(), 'tree'), [3, 3, 3, 3, 3, 3, 3])])
  const asked = () => server.requests().filter(line => /^GET \S+\/blobs\/sha256:/.test(line)).length
  const sent = () => server.requests().filter(line => /^PUT \S+\/blobs\/uploads\//.test(line)).length
  composed(store, ['push', 'app/tool', `${server.host}/site`])
  const [first, blobs] = [asked(), sent()]
  assert.ok(blobs > 8, `${blobs} blobs`)
  assert.is(first, 8)
  composed(store, ['push', 'app/tool', `${server.host}/site`])
  assert.equal([asked() - first, sent()], [blobs, blobs])
})

atAllSize(registry)(
  'a store with another profile keeps the packed data as they are, and can build',
  async () => {
    const server = await startRegistry()
    const [first, second, folder] = [newStore(1), newStore(3), scratch()]
    composed(first, ['import', 'base/tool-1', newFiles(join(folder, 'tree'), [1])])
    const [{ reference, digest }] = composed(first, ['push', 'base/tool', server.host]).modules
    composed(second, ['pull', reference])
    composed(second, ['build', join(folder, 'image.sqfs'), 'base/tool', '--bare'])
    assert.is(composed(second, ['push', 'base/tool', server.host]).modules[0].digest, digest)
    // Imported anew it is packed in another way: what is there serves as well.
    const third = newStore(3)
    composed(third, ['import', 'base/tool-1', join(folder, 'tree')])
    const again = composed(third, ['push', 'base/tool', server.host])
    assert.equal([again.modules[0].digest, again.sentBytes], [digest, 0])
  }
)

registry('a version stands for one record, and a replaced record keeps its own tag', async () => {
  const server = await startRegistry()
  const [first, second, folder] = [newStore(), newStore(), scratch()]
  const source = newFiles(join(folder, 'tree'), [1])
  const { record } = composed(first, ['import', 'app/tool-1', source])
  composed(first, ['push', 'app/tool', server.host])
  composed(second, ['pull', `${server.host}/app/tool:1`])
  writeFileSync(join(source, 'opt/more'), 'more')
  composed(first, ['import', 'app/tool-1', source, '--replace'])
  const words = ['push', 'app/tool', server.host]
  assert.is(composeFails(first, words, 64).code, 'TAG_EXISTS')
  assert.is(composed(first, [...words, '--replace']).modules[0].outcome, 'replaced')
  const pull = ['pull', `${server.host}/app/tool:1`]
  assert.is(composeFails(second, pull, 15).code, 'MODULE_EXISTS')
  assert.is(composed(second, [...pull, '--replace']).modules[0].previous, record)
  const third = newStore()
  assert.is(composed(third, ['pull', `${server.host}/app/tool:${record}`]).modules[0].record, record)
})

registry('a module lies under its own name, unless its digest is asked for', async () => {
  const server = await startRegistry()
  const [store, other] = [newStore(), newStore()]
  composed(store, ['import', 'app/tool-1', newFiles(join(scratch(), 'tree'), [1])])
  const [{ reference, digest }] = composed(store, ['push', 'app/tool', server.host]).modules
  const moved = `${server.host}/app/vasp:6.4`
  const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false']
  execFileSync('skopeo', ['copy', ...insecure, `docker://${reference}`, `docker://${moved}`])
  const refused = composeFails(other, ['pull', moved], 2)
  assert.is(refused.code, 'REFERENCE_NAME')
  assert.match(refused.message, 'app/tool-1')
  assert.is(composed(other, ['pull', `${server.host}/app/vasp@${digest}`]).modules[0].module, 'app/tool-1')
})

registry('what is not for everyone goes where a login is asked for, and stays for its group', async () => {
  const [open, closed] = [await startRegistry(), await startRegistry({ auth: 'htpasswd' })]
  const [store, other] = [newStore(), newStore()]
  const options = { env: { XDG_RUNTIME_DIR: scratch() } }
  const source = newFiles(join(scratch(), 'tree'), [1])
  composed(store, ['import', 'app/tool-1', source, '--access-group', '4242', '--no-redistribute'])
  composed(store, ['login', closed.host, '-u', 'me', '--password-stdin'], {
    ...options,
    input: Buffer.from('secret')
  })
  const to = (host: string) => ['push', 'app/tool', host]
  assert.is(composeFails(store, to(closed.host), 19, options).code, 'NOT_REDISTRIBUTABLE')
  assert.is(composeFails(store, [...to(open.host), '--internal'], 44, options).code, 'ACCESS_WIDER')
  const [{ reference }] = composed(store, [...to(closed.host), '--internal'], options).modules
  composed(other, ['pull', reference], options)
  for (const part of filesIn(other, 'parts', 'data')) {
    const acl = execFileSync('getfacl', ['-cn', other + part], {
      stdio: ['ignore', 'pipe', 'ignore']
    }).toString()
    assert.match(acl, 'group:4242:r--')
    assert.match(acl, 'other::---')
  }
  assert.is(compose(other, ['fsck']).status, 0)
})

signed('signatures travel with a module, and policies are asked before its data', async () => {
  const server = await startRegistry()
  const [store, folder] = [newStore(), scratch()]
  const people = ['alice', 'bob'].map(name => join(folder, name))
  for (const key of people) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  composed(store, ['import', 'app/tool-1', newFiles(join(folder, 'tree'), [1])])
  const push = ['push', 'app/tool', server.host]
  assert.is(composed(store, push).modules[0].signatures, 0)
  composed(store, ['sign', 'app/tool', '--key', people[0]])
  const [pushed] = composed(store, push).modules
  assert.equal([pushed.outcome, pushed.sentBytes, pushed.signatures], ['same', 0, 1])
  assert.is(composed(store, push).modules[0].signatures, 0)
  const config = join(folder, 'config/strata')
  mkdirSync(config, { recursive: true })
  const signers = people.map(key => `${basename(key)} ${readFileSync(`${key}.pub`)}`).join('')
  writeFileSync(join(config, 'signers'), signers, { mode: 0o600 })
  const asks = (who: string) =>
    writeFileSync(
      join(config, 'policy.yaml'),
      `version: 1\nsigners: signers\nwhen: [pull]\nrules: [{modules: "*", signed-by: ${who}}]\n`,
      { mode: 0o600 }
    )
  const [other, options] = [newStore(), { env: { XDG_CONFIG_HOME: join(folder, 'config') } }]
  const pull = ['pull', `${server.host}/app/tool:1`]
  asks('bob')
  assert.match(composeFails(other, pull, 72, options).message, /app\/tool-1/)
  assert.equal(filesIn(other, 'parts'), [])
  // The policy of a store is about what comes into it, though it does not hold the record yet.
  const guarded = newStore()
  mkdirSync(join(guarded, 'trust'))
  for (const name of ['signers', 'policy.yaml'])
    writeFileSync(join(guarded, 'trust', name), readFileSync(join(config, name)), { mode: 0o600 })
  assert.match(composeFails(guarded, pull, 72).message, /app\/tool-1/)
  assert.equal(filesIn(guarded, 'parts'), [])
  asks('alice')
  composed(other, pull, options)
  assert.equal(composed(other, ['show', 'app/tool'], options).signatures[0].principals, ['alice'])
  assert.is(compose(other, ['fsck'], options).status, 0)
  // Anybody who may push can sign: a key that no list has is not kept.
  const stranger = join(folder, 'stranger')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', stranger])
  composed(store, ['sign', 'app/tool', '--key', stranger])
  composed(store, push)
  const third = newStore()
  const { status, out, err } = compose(third, pull, options)
  assert.is(status, 0, err)
  assert.match(out, /1 signature by keys that no list of signers names/)
  assert.equal(
    composed(third, ['show', 'app/tool'], options).signatures.map(
      ({ principals }: { principals: string[] }) => principals
    ),
    [['alice']]
  )
})

registry('push and pull say what is there, what stays, and what is missing', async () => {
  const server = await startRegistry()
  const [store, other, folder] = [newStore(), newStore(), scratch()]
  const tree = newFiles(join(folder, 'tree'), [0])
  composed(store, ['import', 'lib/math-2', tree])
  composed(store, ['import', 'app/tool-1.5', tree, '--requires', 'lib/math >= 2'])
  const all = ['push', '--all', `${server.host}/site`]
  const alone = compose(store, ['push', 'app/tool', `${server.host}/site`])
  assert.match(alone.err, `app/tool-1.5 requires lib/math >= 2, which ${server.host}/site does not have`)
  assert.not.match(compose(store, all).err, 'requires')
  assert.not.match(compose(store, ['push', 'app/tool', `${server.host}/site`]).err, 'requires')
  const archive = ['push', 'app/tool', `oci-archive:${join(folder, 'tool.tar')}`]
  assert.match(compose(store, archive).err, 'requires lib/math >= 2')
  const untagged = composeFails(other, ['pull', `${server.host}/site/app/tool`], 62)
  assert.match(untagged.message, 'has no tag latest')
  assert.equal(untagged.facts.tags, ['1.5'])
  assert.match(untagged.hint!, `${server.host}/site/app/tool:1.5`)
  const asImage = ['import', 'base/x-1', `docker://${server.host}/site/app/tool:1.5`]
  assert.match(composeFails(other, asImage, 29).hint!, `compose pull ${server.host}/site/app/tool:1.5`)
  composed(store, ['build', join(folder, 'tool.sqfs'), 'lib/math'])
  composed(store, ['push', join(folder, 'tool.sqfs'), `${server.host}/images/tool:1`])
  const file = composeFails(other, ['pull', `${server.host}/images/tool:1`], 63)
  assert.match(file.message, 'holds an image file')
  const [, from, sha256] = /^skopeo copy (\S+) dir:FOLDER fetches it as FOLDER\/([0-9a-f]+)$/.exec(
    file.hint!
  )!
  execFileSync('skopeo', ['copy', '--src-tls-verify=false', from, `dir:${join(folder, 'copy')}`])
  assert.ok(readFileSync(join(folder, 'copy', sha256)).equals(readFileSync(join(folder, 'tool.sqfs'))))
  for (const name of ['app/kept-1', 'app/kept-2'])
    composed(store, ['import', name, newFiles(join(folder, name), [0]), '--no-redistribute'])
  const kept = composeFails(store, all, 19)
  assert.equal(kept.facts.modules, ['app/kept-1', 'app/kept-2'])
  assert.match(kept.hint!, `compose push app/tool-1.5 lib/math-2 ${server.host}/site sends the others`)
  assert.match(
    composeFails(other, ['pull', server.host], 2).message,
    'is a registry, and names nothing in it'
  )
  assert.match(
    composeFails(store, ['push', tree, `${server.host}/x:1`], 31).hint!,
    `compose import MODULE ${tree}`
  )
  assert.match(composeFails(other, ['pull', '../tool.tar'], 2).hint!, 'compose pull oci-archive:../tool.tar')
})

tests.run()
