/** Images in a real registry, put there by skopeo: imported with and without TLS and accounts. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { smallBase } from '../compose/runtime-files/small-base.ts'
import { COMPOSE, environment } from '../helpers/compose.ts'
import { needing } from '../helpers/needs.ts'
import { LayoutMaker, named, on, sha256, tarOf } from '../helpers/oci-layout.ts'
import { bash } from '../helpers/real-tree.ts'
import { type RunningRegistry, startRegistry, stopRegistries } from '../helpers/registry.ts'
import { composeAs, homeIn } from '../helpers/runtimes.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const tests = suite('cli: registries')
const registry = needing(tests, 'docker-registry', 'skopeo', 'openssl')
tests.after(stopRegistries)

const TOOL = '1.0'

/** An image of two layers, as an OCI layout. */
function newImage(folder = join(scratch(), 'image')): LayoutMaker {
  const layout = new LayoutMaker(folder)
  const config = { config: { Env: ['PATH=/opt/tool/bin', 'TOOL=1'], Cmd: ['/bin/sh'] } }
  layout.index(named(layout.image([tarOf('base', 'below'), tarOf('tool', 'above')], { config }), TOOL))
  return layout
}

function push({ host, authority }: RunningRegistry, folder: string, name: string, ...flags: string[]): void {
  const trust = ['--dest-tls-verify=false', ...flags]
  const { status, stderr } = spawnSync(
    'skopeo',
    ['copy', ...trust, `oci:${folder}:${TOOL}`, `docker://${host}/${name}`],
    { encoding: 'utf8', env: { ...process.env, SSL_CERT_FILE: authority } }
  )
  assert.is(status, 0, stderr)
}

const newStore = (): string => {
  const store = join(scratch(), 'store')
  assert.is(compose(store, ['init', '--level', '1']).status, 0)
  return store
}

const layersOf = (report: { layers: { id: string }[] }): string[] => report.layers.map(({ id }) => id)

const blobs = (requests: string[]): string[] => requests.filter(line => /^GET .*\/blobs\//.test(line))

const LOGIN = ['--dest-creds', 'me:secret']

registry(
  'an image becomes the layers that its layout becomes, and the record says where it is from',
  async () => {
    const server = await startRegistry()
    const image = newImage()
    push(server, image.folder, `site/tool:${TOOL}`)
    const address = `docker://${server.host}/site/tool:${TOOL}`
    const store = newStore()
    const fromLayout = composed(store, ['import', 'base/layout-1', image.folder])
    const other = newStore()
    const report = composed(other, ['import', 'base/tool-1', address])
    assert.equal(layersOf(report), layersOf(fromLayout))
    const [origin] = report.origin
    assert.is(origin.reference, `${server.host}/site/tool:${TOOL}`)
    const digest = execFileSync('skopeo', [
      'inspect',
      '--tls-verify=false',
      '--format',
      '{{.Digest}}',
      address
    ])
    assert.is(`sha256:${origin.sha256.replace(/^sha256:/, '')}`, digest.toString().trim())
    assert.is(blobs(server.requests()).filter(line => line.endsWith(' 200')).length >= 3, true)
  }
)

registry('a layer that the store has by its diffID is not downloaded', async () => {
  const server = await startRegistry()
  const image = newImage()
  push(server, image.folder, `site/tool:${TOOL}`)
  const store = newStore()
  composed(store, ['import', 'base/layout-1', image.folder])
  const before = server.requests().length
  composed(store, ['import', 'base/tool-1', `docker://${server.host}/site/tool:${TOOL}`])
  const [config, ...others] = blobs(server.requests().slice(before))
  assert.ok(config)
  assert.equal(others, [])
})

registry('of an image for several platforms, the one is taken that --platform names', async () => {
  const server = await startRegistry()
  const layout = new LayoutMaker(join(scratch(), 'image'))
  const arm = layout.image([tarOf('a', 'arm')], { config: { architecture: 'arm64' } })
  const amd = layout.image([tarOf('a', 'amd')])
  layout.index(
    named(
      layout.document('application/vnd.oci.image.index.v1+json', {
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [on(amd, 'linux/amd64'), on(arm, 'linux/arm64')]
      }),
      TOOL
    )
  )
  push(server, layout.folder, 'tool:1', '--all')
  const store = newStore()
  const address = `oci://${server.host}/tool:1`
  const report = composed(store, ['import', 'base/arm-1', address, '--platform', 'linux/arm64'])
  assert.is(report.origin[0].platform, 'linux/arm64')
  assert.is(report.origin[0].sha256.replace(/^sha256:/, ''), arm.digest.slice(7))
  const { code, facts } = composeFails(
    store,
    ['import', 'base/s-1', address, '--platform', 'linux/s390x'],
    29
  )
  assert.is(code, 'SOURCE_CHOICE')
  assert.equal(facts.platforms, ['linux/amd64', 'linux/arm64'])
  const byDigest = composed(store, [
    'import',
    'base/arm-2',
    `docker://${server.host}/tool@${arm.digest}`,
    '--platform',
    'linux/arm64'
  ])
  assert.equal(layersOf(byDigest), layersOf(report))
})

registry(
  'an image is built in one step, and its lock gives the same bytes where nothing else is',
  async () => {
    const server = await startRegistry()
    push(server, newImage().folder, 'site/tool:v1')
    const [store, folder] = [newStore(), scratch()]
    const env = { XDG_CACHE_HOME: join(folder, 'cache') }
    const address = `docker://${server.host}/site/tool:v1`
    const at = (name: string) => join(folder, name)
    const options = { env, cwd: folder }
    composed(store, ['build', 'first.sqfs', address], options)
    const { lock } = composed(store, ['inspect', 'first.sqfs'], options)
    const [{ name, source }] = lock.modules
    assert.is(name, 'image/tool-0.v1')
    assert.match(source, new RegExp(`^${address}@sha256:[0-9a-f]{64}$`))
    const before = server.requests().length
    composed(store, ['build', 'second.sqfs', address], options)
    assert.equal(readFileSync(at('second.sqfs')), readFileSync(at('first.sqfs')))
    assert.is(blobs(server.requests().slice(before)).length, 1, 'the config alone')
    assert.not.match(compose(store, ['avail']).out, 'image/tool')
    composed(store, ['lock', address, '-o', 'tool.lock'], options)
    // The tag goes on to another image; the lock does not.
    const other = new LayoutMaker(join(scratch(), 'image'))
    other.index(named(other.image([tarOf('other', 'new')]), TOOL))
    push(server, other.folder, 'site/tool:v1')
    const elsewhere = newStore()
    const dry = composeFails(elsewhere, ['build', '--dry-run', 'x.sqfs', 'tool.lock'], 2, options)
    assert.match(dry.message, '--dry-run writes nothing')
    composed(elsewhere, ['build', 'third.sqfs', 'tool.lock'], options)
    assert.equal(readFileSync(at('third.sqfs')), readFileSync(at('first.sqfs')))
    composed(store, ['build', 'moved.sqfs', address], options)
    assert.not.equal(readFileSync(at('moved.sqfs')), readFileSync(at('first.sqfs')))
    const lockText = readFileSync(at('tool.lock'), 'utf8')
    writeFileSync(at('wrong.lock'), lockText.replace('image/tool-0.v1', 'image/tool-0.v2'))
    assert.is(composeFails(newStore(), ['build', 'x.sqfs', 'wrong.lock'], 41, options).code, 'LOCK_MISMATCH')
    const several = composeFails(store, ['build', 'x.sqfs', address, 'base/debian'], 2, options)
    assert.match(several.hint ?? '', 'compose import base/NAME-VERSION')
  }
)

needing(
  tests,
  'root',
  'docker-registry',
  'skopeo',
  'openssl',
  'bwrap'
)('a program runs in an image of a registry, and the next run fetches no layer', async () => {
  const server = await startRegistry()
  const layout = new LayoutMaker(join(scratch(), 'image'))
  layout.index(
    named(layout.image([readFileSync(smallBase())], { config: { config: { Env: ['NAME=tool'] } } }), TOOL)
  )
  push(server, layout.folder, 'small:1')
  const folder = scratch()
  const store = newStore()
  const home = homeIn(folder)
  bash('chmod -R a+rX "$1"; chown -R 1000:1000 "$2"', folder, home)
  chmodSync(join(store, '..'), 0o777)
  bash('chown -R 1000:1000 "$1"', store)
  const words = [
    'run',
    '--runtime',
    'bwrap',
    `docker://${server.host}/small:1`,
    '--',
    'sh',
    '-c',
    'echo of $NAME'
  ]
  const fetched = () => {
    const before = server.requests().length
    const { out, err } = composeAs(home, words, { COMPOSE_STORE: store })
    assert.is(out, 'of tool\n', err)
    return new Set(blobs(server.requests().slice(before))).size
  }
  assert.is(fetched(), 2, 'config and layer')
  assert.is(fetched(), 1, 'the config alone')
})

registry('a tag or repository that is not there is named with its registry', async () => {
  const server = await startRegistry()
  const store = newStore()
  const { code, message } = composeFails(store, ['import', 'base/x-1', `docker://${server.host}/a/b:9`], 62)
  assert.is(code, 'REGISTRY_UNKNOWN')
  assert.match(message, `registry ${server.host}: manifest 9 of ${server.host}/a/b`)
})

registry('a certificate has to be signed by the system, by --tls-ca, or by a file in certs.d', async () => {
  const server = await startRegistry({ tls: true })
  push(server, newImage().folder, 'tool:1')
  const store = newStore()
  const words = (name: string) => ['import', name, `docker://${server.host}/tool:1`]
  const { code, message, hint } = composeFails(store, words('base/x-1'), 60)
  assert.is(code, 'REGISTRY_UNREACHABLE')
  assert.match(message, 'not signed by an authority')
  assert.match(hint ?? '', '--tls-ca')
  composed(store, [...words('base/a-1'), '--tls-ca', server.authority])
  composed(store, words('base/b-1'), { env: { SSL_CERT_FILE: server.authority } })
  const home = scratch()
  const folder = join(home, '.config/containers/certs.d', server.host)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'ca.crt'), readFileSync(server.authority))
  composed(store, words('base/c-1'), { env: { HOME: home } })
})

registry('login asks the registry, and writes what podman and skopeo read', async () => {
  const server = await startRegistry({ auth: 'htpasswd' })
  push(server, newImage().folder, 'tool:1', ...LOGIN)
  const store = newStore()
  const env = { XDG_RUNTIME_DIR: scratch() }
  const address = `docker://${server.host}/tool:1`
  const login = ['login', server.host, '--username', 'me', '--password-stdin']
  assert.is(composeFails(store, ['import', 'base/x-1', address], 61, { env }).code, 'REGISTRY_DENIED')
  const wrong = composeFails(store, login, 61, { env, input: Buffer.from('wrong\n') })
  assert.match(wrong.message, 'does not take your name and password')
  const { file } = composed(store, login, { env, input: Buffer.from('secret\n') })
  assert.is(file, join(env.XDG_RUNTIME_DIR, 'containers/auth.json'))
  assert.is(statSync(file).mode & 0o777, 0o600)
  composed(store, ['import', 'base/x-1', address], { env })
  execFileSync('skopeo', ['inspect', '--tls-verify=false', '--authfile', file, address])
  const [name] = spawnSync('skopeo', ['login', '--authfile', file, '--get-login', server.host], {
    encoding: 'utf8'
  }).stdout.split('\n')
  assert.is(name, 'me')
  assert.is(composed(store, ['logout', server.host], { env }).removed, true)
  assert.is(composed(store, ['logout', server.host], { env }).removed, false)
  assert.is(composeFails(store, ['import', 'base/y-1', address], 61, { env }).code, 'REGISTRY_DENIED')
})

needing(
  tests,
  'docker-registry',
  'tmux'
)('on a terminal, name and password are asked for, and the password is not shown', async () => {
  const server = await startRegistry({ auth: 'htpasswd' })
  const folder = scratch()
  const pane = (...words: string[]) =>
    execFileSync('tmux', ['-S', join(folder, 'socket'), ...words], {
      encoding: 'utf8',
      env: { ...environment('', { XDG_RUNTIME_DIR: folder }), TERM: 'xterm', LC_ALL: 'C.UTF-8' }
    })
  const shows = async (text: string) => {
    for (let round = 0; !pane('capture-pane', '-p').includes(text); round++) {
      assert.ok(round < 2000, pane('capture-pane', '-p'))
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
  const line = `${process.execPath} ${COMPOSE} login ${server.host}; read end`
  pane('-f', '/dev/null', 'new-session', '-d', '-x', '160', '-y', '20', line)
  await shows('Name at')
  pane('send-keys', 'me', 'Enter')
  await shows('Password of me')
  pane('send-keys', 'wrong', 'BSpace', 'BSpace', 'BSpace', 'BSpace', 'BSpace', 'secret', 'Enter')
  await shows('logged in to')
  assert.not.match(pane('capture-pane', '-p'), /secret|wrong/)
  assert.ok(readFileSync(join(folder, 'containers/auth.json'), 'utf8').includes(server.host))
  pane('kill-server')
})

registry('a login of skopeo, and a credential helper of docker, are used', async () => {
  const server = await startRegistry({ auth: 'htpasswd' })
  push(server, newImage().folder, 'tool:1', ...LOGIN)
  const store = newStore()
  const words = (name: string) => ['import', name, `docker://${server.host}/tool:1`]
  const authfile = join(scratch(), 'auth.json')
  execFileSync('skopeo', [
    'login',
    '--tls-verify=false',
    '--authfile',
    authfile,
    '-u',
    'me',
    '-p',
    'secret',
    server.host
  ])
  composed(store, [...words('base/a-1'), '--authfile', authfile])
  const folder = scratch()
  const helper = join(folder, 'docker-credential-test')
  writeFileSync(
    helper,
    `#!/bin/sh\nread host\n[ "$1 $host" = "get ${server.host}" ] && echo '{"Username":"me","Secret":"secret"}'\n`
  )
  chmodSync(helper, 0o755)
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ credsStore: 'test' }))
  composed(store, words('base/b-1'), {
    env: { DOCKER_CONFIG: folder, PATH: `${folder}:${process.env.PATH}` }
  })
})

registry('tokens: anonymous where that is enough, by login where it is not', async () => {
  const server = await startRegistry({ auth: 'token' })
  const image = newImage()
  for (const name of ['open/tool:1', 'mine/tool:1']) push(server, image.folder, name, ...LOGIN)
  const store = newStore()
  const env = { XDG_RUNTIME_DIR: scratch() }
  const words = (module: string, name: string) => ['import', module, `docker://${server.host}/${name}`]
  composed(store, words('base/a-1', 'open/tool:1'), { env })
  assert.is(composeFails(store, words('base/b-1', 'mine/tool:1'), 61, { env }).code, 'REGISTRY_DENIED')
  const login = ['login', server.host, '-u', 'me', '--password-stdin']
  assert.is(composeFails(store, login, 61, { env, input: Buffer.from('wrong') }).code, 'REGISTRY_DENIED')
  composed(store, login, { env, input: Buffer.from('secret') })
  composed(store, words('base/b-1', 'mine/tool:1'), { env })
  const refused = composeFails(store, words('base/c-1', 'closed/tool:1'), 61, { env })
  assert.match(refused.message, `${server.host}/closed/tool`)
  assert.is(composeFails(store, words('base/d-1', 'stale/tool:1'), 61, { env }).code, 'REGISTRY_DENIED')
  // An old login must not stand in the way of what everybody may read.
  const authfile = join(scratch(), 'auth.json')
  const auth = Buffer.from('me:old').toString('base64')
  writeFileSync(authfile, JSON.stringify({ auths: { [server.host]: { auth } } }))
  composed(store, [...words('base/e-1', 'open/tool:1'), '--authfile', authfile], { env })
})

registry('a mirror of registries.conf is asked first, and passed over if it cannot answer', async () => {
  const [mirror, site] = [await startRegistry(), await startRegistry()]
  const image = newImage()
  push(mirror, image.folder, 'cache/tool:1')
  push(site, image.folder, 'tool:2')
  const store = newStore()
  const conf = join(scratch(), 'registries.conf')
  writeFileSync(
    conf,
    `[[registry]]
prefix = "registry.invalid/apps"
location = "${site.host}"
[[registry.mirror]]
location = "${mirror.host}/cache"
`
  )
  const env = { CONTAINERS_REGISTRIES_CONF: conf }
  const words = (module: string, tag: number) => [
    'import',
    module,
    `docker://registry.invalid/apps/tool:${tag}`
  ]
  const fromMirror = composed(store, words('base/a-1', 1), { env })
  assert.is(fromMirror.origin[0].reference, 'registry.invalid/apps/tool:1')
  assert.is(site.requests().filter(line => line.includes('/manifests/1')).length, 0)
  const { notes } = composed(store, words('base/b-1', 2), { env })
  assert.match(notes.join('\n'), `mirror ${mirror.host}/cache/tool:2 was passed over`)
  writeFileSync(conf, '[[registry]]\nprefix = "registry.invalid"\nblocked = true\n')
  assert.match(composeFails(store, words('base/c-1', 1), 61, { env }).message, 'blocked by registries.conf')
  writeFileSync(conf, '[[registry]\n')
  assert.is(composeFails(store, words('base/c-1', 1), 51, { env }).code, 'SETTINGS_INVALID')
})

registry('an image file is pushed as one artifact, once, and comes back byte for byte', async () => {
  const server = await startRegistry({ auth: 'token' })
  const [store, folder] = [newStore(), scratch()]
  const env = { XDG_RUNTIME_DIR: folder }
  const options = { env, cwd: folder }
  composed(store, ['import', 'base/tool-1', newImage().folder])
  composed(store, ['build', 'tool.sqfs', 'base/tool'], options)
  const words = ['push', 'tool.sqfs', `${server.host}/images/tool:1`]
  assert.is(composeFails(store, words, 61, options).code, 'REGISTRY_DENIED')
  composed(store, ['login', server.host, '-u', 'me', '--password-stdin'], {
    env,
    input: Buffer.from('secret')
  })
  const pushed = composed(store, words, options)
  const image = readFileSync(join(folder, 'tool.sqfs'))
  assert.equal([pushed.outcome, pushed.sentBytes], ['created', image.length + 2])
  const before = server.requests().length
  assert.equal(composed(store, words, options), { ...pushed, outcome: 'same', sentBytes: 0 })
  assert.equal(
    server
      .requests()
      .slice(before)
      .filter(line => /^(POST|PATCH)/.test(line)),
    []
  )
  const [creds, copy] = [['--src-creds', 'me:secret', '--src-tls-verify=false'], join(folder, 'copy')]
  execFileSync('skopeo', ['copy', ...creds, `docker://${server.host}/images/tool:1`, `dir:${copy}`])
  const manifest = JSON.parse(readFileSync(join(copy, 'manifest.json'), 'utf8'))
  assert.is(sha256(readFileSync(join(copy, 'manifest.json'))), pushed.digest)
  assert.is(manifest.artifactType, 'application/vnd.strata.image.v1')
  const [layer] = manifest.layers
  assert.is(layer.annotations['org.opencontainers.image.title'], 'tool.sqfs')
  assert.equal(readFileSync(join(copy, layer.digest.slice(7))), image)
  composed(store, ['build', 'other.sqfs', 'base/tool', '--bare'], options)
  const other = ['push', 'other.sqfs', `${server.host}/images/tool:1`]
  assert.is(composeFails(store, other, 64, options).code, 'TAG_EXISTS')
  assert.is(composed(store, [...other, '--replace'], options).outcome, 'replaced')
})

registry('a SIF file is pushed in the form that apptainer pull oras:// takes', async () => {
  const server = await startRegistry()
  const [store, folder] = [newStore(), scratch()]
  const options = { env: { XDG_RUNTIME_DIR: folder }, cwd: folder }
  composed(store, ['import', 'base/tool-1', newImage().folder])
  composed(store, ['build', 'tool.sif', 'base/tool'], options)
  composed(store, ['push', 'tool.sif', `${server.host}/images/tool:1`], options)
  const copy = join(folder, 'copy')
  execFileSync('skopeo', [
    ...['copy', '--src-tls-verify=false', `docker://${server.host}/images/tool:1`, `dir:${copy}`]
  ])
  const { config, layers, ...rest } = JSON.parse(readFileSync(join(copy, 'manifest.json'), 'utf8'))
  assert.equal(rest, { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json' })
  assert.is(config.mediaType, 'application/vnd.sylabs.sif.config.v1+json')
  assert.equal(
    layers.map(({ mediaType, annotations }: { mediaType: string; annotations: object }) => [
      mediaType,
      annotations
    ]),
    [['application/vnd.sylabs.sif.layer.v1.sif', { 'org.opencontainers.image.title': 'tool.sif' }]]
  )
  assert.equal(readFileSync(join(copy, layers[0].digest.slice(7))), readFileSync(join(folder, 'tool.sif')))
})

registry(
  'an image that is not for everyone, or must not leave, is pushed only where that is kept',
  async () => {
    const [open, closed] = [await startRegistry(), await startRegistry({ auth: 'htpasswd' })]
    const [store, folder] = [newStore(), scratch()]
    const options = { env: { XDG_RUNTIME_DIR: folder }, cwd: folder }
    composed(store, ['import', 'base/tool-1', newImage().folder, '--access-group', '0', '--no-redistribute'])
    composed(store, ['build', 'full.sqfs', 'base/tool'], options)
    composed(store, ['build', 'bare.sqfs', 'base/tool', '--bare'], options)
    const login = ['login', closed.host, '-u', 'me', '--password-stdin']
    composed(store, login, { ...options, input: Buffer.from('secret') })
    for (const image of ['full.sqfs', 'bare.sqfs']) {
      const to = (host: string) => ['push', image, `${host}/${image}`, '--internal']
      assert.is(composeFails(store, to(closed.host).slice(0, -1), 19, options).code, 'NOT_REDISTRIBUTABLE')
      assert.is(composeFails(store, to(open.host), 44, options).code, 'ACCESS_WIDER')
      assert.is(composed(store, to(closed.host), options).outcome, 'created')
    }
  }
)

registry('what a garbage collection took away beside a running registry is sent again', async () => {
  const server = await startRegistry({ caches: true })
  const [store, folder] = [newStore(), scratch()]
  composed(store, ['import', 'base/tool-1', newImage().folder])
  composed(store, ['build', 'tool.sqfs', 'base/tool'], { cwd: folder })
  const words = ['push', 'tool.sqfs', `${server.host}/tool:1`]
  const { digest } = composed(store, words, { cwd: folder })
  const manifest = `http://${server.host}/v2/tool/manifests/${digest}`
  assert.is((await fetch(manifest, { method: 'DELETE' })).status, 202)
  server.collectGarbage()
  assert.is(composed(store, words, { cwd: folder }).outcome, 'created')
  const copy = [
    'copy',
    '--src-tls-verify=false',
    `docker://${server.host}/tool:1`,
    `dir:${join(folder, 'copy')}`
  ]
  execFileSync('skopeo', copy)
})

tests.run()
