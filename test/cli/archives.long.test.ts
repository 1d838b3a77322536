/** Modules and locks in archives, between sites that no network connects. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { atAllSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { startRegistry, stopRegistries } from '../helpers/registry.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { newSite, newStore } from '../helpers/tool-site.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const tests = suite('cli: archives in the place of registries')
/** Tests that take too long for a check. */
const longest = atAllSize(tests)
tests.after(stopRegistries)
const tools = needing(tests, 'docker-registry', 'skopeo', 'umoci', 'openssl')
/** Tests that take too long for a check. */
const longestTools = atAllSize(tools)

const OBJECT_CORRUPT = 12

interface Module {
  module: string
  record: string
  digest: string
}

longest('modules go through a file as they are, and a second push of one file is refused', () => {
  const { store, folder, options } = newSite()
  const pushed = composed(store, ['push', 'base/os', 'app/tool', 'oci-archive:x.tar'], options)
  const other = newStore()
  const archive = `oci-archive:${join(folder, 'x.tar')}`
  const { modules } = composed(other, ['pull', archive])
  assert.equal(
    modules.map(({ module, record, digest }: Module) => [module, record, digest]),
    pushed.modules.map(({ module, record, digest }: Module) => [module, record, digest])
  )
  assert.is(compose(other, ['fsck']).status, 0)
  assert.is(composeFails(store, ['push', 'app/tool', 'oci-archive:x.tar'], 37, options).code, 'OUTPUT_EXISTS')
  const [third, byName] = [newStore(), `${archive}:app/tool:1`]
  assert.equal(
    composed(third, ['pull', byName]).modules.map(({ module }: Module) => module),
    ['app/tool-1']
  )
  assert.is(composeFails(third, ['pull', `${archive}:app/none:1`], 62).code, 'REGISTRY_UNKNOWN')
  // The same file in the form of a folder.
  bash('mkdir "$1/layout"; tar -xf "$1/x.tar" -C "$1/layout"', folder)
  assert.is(composed(newStore(), ['pull', `oci-archive:${join(folder, 'layout')}`]).modules.length, 2)
})

tests('what a push cannot finish leaves no file', () => {
  const { store, folder, options } = newSite('--no-redistribute')
  const refused = composeFails(store, ['push', 'base/os', 'app/tool', 'oci-archive:x.tar'], 19, options)
  assert.is(refused.code, 'NOT_REDISTRIBUTABLE')
  assert.equal(
    readdirSync(folder).filter(name => name.includes('x.tar')),
    []
  )
})

tests('an archive with something for a group is for its owner alone', () => {
  const { store, folder, options } = newSite('--access-group', '4242')
  composed(store, ['push', 'app/tool', 'oci-archive:closed.tar'], options)
  composed(store, ['push', 'base/os', 'oci-archive:open.tar'], options)
  assert.is(statSync(join(folder, 'closed.tar')).mode & 0o077, 0)
  assert.is(statSync(join(folder, 'open.tar')).mode & 0o444, 0o444 & ~process.umask())
})

tests('a damaged archive publishes nothing, and says what is wrong', () => {
  const { store, folder, options } = newSite()
  composed(store, ['push', 'app/tool', 'oci-archive:x.tar'], options)
  const bytes = readFileSync(join(folder, 'x.tar'))
  const at = bytes.indexOf('"dev.strata.kind"')
  for (const [name, damaged] of [
    ['a', Buffer.concat([bytes.subarray(0, at), Buffer.from('"dev.strata.kinD"'), bytes.subarray(at + 17)])],
    ['b', bytes.subarray(0, bytes.length >> 1)]
  ] as const) {
    writeFileSync(join(folder, name), damaged)
    const other = newStore()
    const { status, err } = compose(other, ['pull', `oci-archive:${join(folder, name)}`])
    assert.ok(status !== 0 && !/internal/.test(err), err)
    assert.equal(composed(other, ['avail']).modules, [])
  }
  writeFileSync(join(folder, 'c'), 'no archive')
  assert.ok(compose(store, ['pull', `oci-archive:${join(folder, 'c')}`]).status !== 0)
})

atAllSize(needing(tests, 'ssh-keygen'))('the signature of a lock takes the place of no other file', () => {
  const { store, folder, options } = newSite()
  const key = join(folder, 'alice')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  composed(store, ['sign', 'stack.lock', '--key', key], options)
  composed(store, ['push', 'stack.lock', 'oci-archive:x.tar'], options)
  const [other, there] = [newStore(), scratch()]
  const pull = ['pull', `oci-archive:${join(folder, 'x.tar')}`]
  const beside = join(there, 'stack.lock.sig')
  writeFileSync(beside, 'of another program')
  const { code, message } = composeFails(other, pull, 37, { cwd: there })
  assert.is(code, 'OUTPUT_EXISTS')
  assert.match(message, /stack\.lock\.sig is not a signature/)
  assert.is(readFileSync(beside, 'utf8'), 'of another program')
  assert.not.ok(existsSync(join(there, 'stack.lock')))
  composed(other, [...pull, '--replace'], { cwd: there })
  assert.ok(readFileSync(beside).equals(readFileSync(join(folder, 'stack.lock.sig'))))
  composed(other, pull, { cwd: there })
})

longestTools('a lock goes into the folder of a layout as into a file, and others read it', () => {
  const { store, folder, options } = newSite()
  const filed = composed(store, ['push', 'stack.lock', 'oci-archive:x.tar:tool'], options)
  const pushed = composed(store, ['push', 'stack.lock', 'oci:layout:tool'], options)
  assert.equal([pushed.digest, pushed.sentBytes], [filed.digest, filed.sentBytes])
  const layout = join(folder, 'layout')
  bash('mkdir "$1/tar"; tar -xf "$1/x.tar" -C "$1/tar"; diff -r "$1/tar" "$1/layout"', folder)
  assert.is(statSync(layout).mode & 0o777, 0o777 & ~process.umask())
  const bundle = join(folder, 'bundle')
  const platform = ['--override-arch', 'amd64', '--override-os', 'linux']
  execFileSync('skopeo', [...platform, 'copy', `oci:${layout}:tool`, `oci:${join(folder, 'copy')}:1`], {
    stdio: 'ignore'
  })
  execFileSync('umoci', ['unpack', '--rootless', '--image', `${join(folder, 'copy')}:1`, bundle], {
    stdio: 'ignore'
  })
  assert.match(readFileSync(join(bundle, 'rootfs/opt/tool/hello'), 'utf8'), /^hello from a tool/)
  const [other, there] = [newStore(), scratch()]
  assert.is(composed(other, ['pull', `oci:${layout}:tool`], { cwd: there }).modules.length, 2)
  assert.ok(readFileSync(join(folder, 'stack.lock')).equals(readFileSync(join(there, 'stack.lock'))))
})

tests('a folder that is there is not written to, and one that cannot be finished is removed', () => {
  const { store, folder, options } = newSite('--no-redistribute', '--access-group', '4242')
  mkdirSync(join(folder, 'there'))
  for (const flags of [[], ['--replace']]) {
    const refused = composeFails(store, ['push', 'base/os', 'oci:there', ...flags], 37, options)
    assert.equal([refused.code, refused.hint], ['OUTPUT_EXISTS', 'the name of a new folder'])
  }
  assert.equal(readdirSync(join(folder, 'there')), [])
  assert.is(composeFails(store, ['push', 'app/tool', 'oci:x'], 19, options).code, 'NOT_REDISTRIBUTABLE')
  composed(store, ['push', 'app/tool', 'oci:closed', '--internal'], options)
  assert.is(statSync(join(folder, 'closed')).mode & 0o777, 0o700)
  assert.equal(
    readdirSync(folder).filter(name => /x|closed/.test(name)),
    ['closed']
  )
})

longestTools(
  'a damaged part is found by a push to a file and to a registry, and gets no name in either',
  async () => {
    const server = await startRegistry()
    const { store, folder, options } = newSite()
    const shown =
      'part=$(find "$1/parts" -type f -size +2k ! -name "*.checked" -print -quit); chmod u+w "$part"; printf x'
    bash(`${shown} | dd of="$part" bs=1 seek=1500 conv=notrunc status=none`, store)
    for (const to of ['oci-archive:x.tar', `${server.host}/site`]) {
      const refused = composeFails(store, ['push', '--all', to], OBJECT_CORRUPT, options)
      assert.is(refused.code, 'OBJECT_CORRUPT', to)
      assert.match(refused.message, /part .* hashes to sha256:/)
    }
    assert.not.ok(existsSync(join(folder, 'x.tar')))
  }
)

tools('a lock in a file has the digests that it has in a registry, and skopeo carries it on', async () => {
  const server = await startRegistry()
  const { store, folder, options } = newSite()
  const direct = composed(store, ['push', 'stack.lock', `${server.host}/stacks/tool:1`], options)
  const filed = composed(store, ['push', 'stack.lock', 'oci-archive:x.tar:stacks/tool:1'], options)
  assert.is(filed.digest, direct.digest)
  const [other, there] = [newStore(), scratch()]
  composed(other, ['pull', `oci-archive:${join(folder, 'x.tar')}`], { cwd: there })
  assert.ok(readFileSync(join(folder, 'stack.lock')).equals(readFileSync(join(there, 'stack.lock'))))
  composed(store, ['build', 'a.sqfs', 'stack.lock'], options)
  composed(other, ['build', 'a.sqfs', 'stack.lock'], { cwd: there })
  assert.ok(readFileSync(join(folder, 'a.sqfs')).equals(readFileSync(join(there, 'a.sqfs'))))
  // Others read the file: skopeo brings it to a registry, umoci unpacks the image.
  const platform = ['--override-arch', 'amd64', '--override-os', 'linux']
  const archive = `oci-archive:${join(folder, 'x.tar')}:stacks/tool:1`
  execFileSync('skopeo', [...platform, 'copy', archive, `oci:${join(folder, 'copy')}:1`], {
    stdio: 'ignore'
  })
  const bundle = join(folder, 'bundle')
  execFileSync('umoci', ['unpack', '--rootless', '--image', `${join(folder, 'copy')}:1`, bundle], {
    stdio: 'ignore'
  })
  assert.match(readFileSync(join(bundle, 'rootfs/opt/tool/hello'), 'utf8'), /^hello from a tool/)
  const to = `${server.host}/copied/tool:1`
  execFileSync('skopeo', ['copy', '--all', '--dest-tls-verify=false', archive, `docker://${to}`], {
    stdio: 'ignore'
  })
  const [last, where] = [newStore(), scratch()]
  assert.is(composed(last, ['pull', to], { cwd: where }).modules.length, 2)
  assert.ok(existsSync(join(where, 'stack.lock')))
})

tests('a pull that ends in the middle of an archive names what came before', () => {
  const [site, other, folder] = [newStore(), newStore(), scratch()]
  const archive = `oci-archive:${join(folder, 'x.tar')}`
  for (const name of ['one', 'two']) {
    bash('mkdir "$1"; echo "$1" > "$1/file"; touch -d @0 "$1/file" "$1"', join(folder, name))
    composed(site, ['import', `lib/${name}-1`, join(folder, name)])
  }
  composed(site, ['push', 'lib/one', 'lib/two', archive])
  composed(other, ['import', 'app/kept-1', join(folder, 'two'), '--no-redistribute'])
  const refused = composeFails(other, ['pull', archive], 19)
  assert.equal(refused.facts['pulled before'], ['lib/one-1'])
  assert.is(compose(other, ['show', 'lib/one']).status, 0)
  assert.is(compose(other, ['show', 'lib/two']).status, 14)
})

tests.run()
