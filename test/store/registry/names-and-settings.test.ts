/** Names of images, challenges, proxies and files of settings, in the forms that people and tools write. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { nameOf } from '../../../compose/sources/image-module.ts'
import { formatModuleName, parseModuleName } from '../../../store/module/name.ts'
import { parseChallenges } from '../../../store/registry/challenge.ts'
import { findCredentials, forgetCredentials, saveCredentials } from '../../../store/registry/credentials.ts'
import { proxyFor } from '../../../store/registry/proxy.ts'
import { formatReference, parseImageAddress } from '../../../store/registry/reference.ts'
import { placesOf } from '../../../store/registry/registries-conf.ts'
import { needing } from '../../helpers/needs.ts'
import { refused } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const names = suite('registry: names and settings')

const HEX = 'ab'.repeat(32)

names('references are read as docker reads them', () => {
  const read = (text: string) => formatReference(parseImageAddress(text))
  for (const [typed, wanted] of [
    ['docker://debian', 'docker.io/library/debian:latest'],
    ['docker://debian:12', 'docker.io/library/debian:12'],
    ['docker://index.docker.io/debian:12', 'docker.io/library/debian:12'],
    ['docker://me/tool', 'docker.io/me/tool:latest'],
    ['docker://localhost/tool', 'localhost/tool:latest'],
    ['docker://host:5000/a/b_c--d__e.f:V1', 'host:5000/a/b_c--d__e.f:V1'],
    ['oci://[::1]:5000/a', '[::1]:5000/a:latest'],
    [`docker://h.org/a@sha256:${HEX}`, `h.org/a@sha256:${HEX}`],
    [`docker://h.org/a:1@sha256:${HEX}`, `h.org/a:1@sha256:${HEX}`]
  ])
    assert.is(read(typed), wanted)
  for (const wrong of [
    ...['docker://', 'docker://h.org/', 'docker://a//b', 'docker://h.org/a/../b', 'oci://debian'],
    ...[
      'docker://h.org/-a',
      'docker://h.org/a_',
      'docker://h.org/a___b',
      'docker://h.org/a:',
      'docker://h.org/a:-1'
    ],
    ...[
      `docker://h.org/a:${'1'.repeat(129)}`,
      'docker://h.org/a@sha256:12',
      `docker://h.org/a@sha256:${HEX}0`
    ],
    ...[
      'docker://h.org:0/a',
      'docker://h.org:65536/a',
      'docker://me@h.org/a',
      'docker://h.org/a?b',
      'docker://h.org/a b'
    ],
    ...[`docker://h.org/${'a'.repeat(250)}`, 'docker://h.org/a\nb', 'docker://h..org/a', 'docker://-h.org/a']
  ])
    assert.throws(
      () => parseImageAddress(wrong),
      (error: { code: string }) => error.code === 'REFERENCE_NAME',
      wrong
    )
})

names('the name of an image becomes one that a module can have, whatever its tag is', () => {
  const digest = `sha256:${HEX}`
  const name = (address: string) => {
    const made = formatModuleName(nameOf({ ...parseImageAddress(address), digest }))
    assert.equal(formatModuleName(parseModuleName(made)), made)
    return made
  }
  assert.is(name('docker://debian:12'), 'image/debian-12')
  assert.is(name('docker://debian'), 'image/debian-0.latest')
  assert.is(name('docker://debian:12-20240101-slim'), 'image/debian-12.20240101-slim')
  assert.is(name(`docker://debian@${digest}`), 'image/debian-0.abababababab')
  assert.is(name('docker://h.org/a/gtk-3:v1..2'), 'image/gtk-3-0.abababababab')
  assert.is(name(`docker://debian:1${'_'.repeat(100)}`), 'image/debian-0.abababababab')
  assert.is(name('docker://debian:12-'), 'image/debian-0.abababababab')
})

names('challenges of all forms are taken apart', () => {
  const [bearer, basic] = parseChallenges(
    'Bearer realm="https://a/t?x=1,2",service="s \\"q\\"",scope="repository:c/d:pull,push repository:a/b:pull", Basic realm=x'
  )
  assert.is(bearer.parameters.get('realm'), 'https://a/t?x=1,2')
  assert.is(bearer.parameters.get('service'), 's "q"')
  assert.is(bearer.parameters.get('scope'), 'repository:c/d:pull,push repository:a/b:pull')
  assert.equal([basic.scheme, basic.parameters.get('realm')], ['basic', 'x'])
  assert.equal(parseChallenges(''), [])
  assert.is(parseChallenges('Negotiate abc==, BEARER Realm=y')[1]?.parameters.get('realm'), 'y')
  assert.equal(parseChallenges('\x00"'), [])
})

names('proxies are taken from the environment, and NO_PROXY excepts names, addresses and subnets', () => {
  const proxy = { HTTPS_PROXY: 'proxy:3128', http_proxy: 'http://other:8080' }
  const is = (url: string, environment: NodeJS.ProcessEnv, wanted?: string) =>
    assert.is(
      proxyFor(new URL(url), { ...proxy, ...environment })?.host,
      wanted,
      `${url} ${environment.NO_PROXY}`
    )
  is('https://h.org/', {}, 'proxy:3128')
  is('http://h.org/', {}, 'other:8080')
  for (const url of ['https://localhost:5000', 'https://127.1.2.3', 'https://[::1]/']) is(url, {})
  for (const [list, url, isExcepted] of [
    ['*', 'https://h.org', true],
    ['h.org', 'https://h.org', true],
    ['h.org', 'https://r.h.org', true],
    ['.h.org', 'https://h.org', false],
    ['a, .h.org', 'https://r.h.org', true],
    ['h.org', 'https://oh.org', false],
    ['h.org:5000', 'https://h.org:5000', true],
    ['h.org:5000', 'https://h.org', false],
    ['h.org:443', 'https://h.org', true],
    ['10.0.0.0/8', 'https://10.1.2.3:5000', true],
    ['10.0.0.0/8', 'https://11.1.2.3', false],
    ['10.0.0.0/8', 'https://h.org', false],
    ['fd00::/8', 'https://[fd12::1]/', true],
    ['10.0.0.0/99,x/y', 'https://10.1.2.3', false]
  ] as const)
    is(url, { NO_PROXY: list }, isExcepted ? undefined : 'proxy:3128')
  refused(
    () => proxyFor(new URL('https://h.org'), { HTTPS_PROXY: 'socks5://me:secret@x' }),
    'USAGE',
    /^HTTPS_PROXY is not/
  )
})

const settings = () => {
  const folder = scratch()
  const environment = { HOME: folder, XDG_RUNTIME_DIR: join(folder, 'run'), PATH: process.env.PATH }
  const write = (path: string, document: object) => {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), JSON.stringify(document))
  }
  return { folder, environment, write, is: { environment } }
}

const entry = (text: string) => ({ auth: Buffer.from(text).toString('base64') })

names('of several entries for a repository the longest counts, and of several files the first', () => {
  const { write, is } = settings()
  const auths = { 'h.org': entry('host:1'), 'h.org/a': entry('part:2:3'), 'h.org/a/b': entry('whole:4') }
  write('run/containers/auth.json', { auths })
  write('.docker/config.json', {
    auths: { 'https://h.org/v2/': entry('old:5'), 'https://index.docker.io/v1/': entry('hub:6') }
  })
  const found = (host: string, repository: string) => findCredentials({ host, repository }, is)
  assert.equal(found('h.org', 'x'), { username: 'host', password: '1' })
  assert.equal(found('h.org', 'a/c'), { username: 'part', password: '2:3' })
  assert.equal(found('h.org', 'a/b'), { username: 'whole', password: '4' })
  assert.equal(found('docker.io', 'library/debian'), { username: 'hub', password: '6' })
  assert.is(found('other.org', 'a'), undefined)
  write('run/containers/auth.json', {})
  assert.is(found('h.org', 'x')?.username, 'old')
})

names('a file that is written keeps all that it had, and a broken one is named without its content', () => {
  const { folder, write, is } = settings()
  const other = { auths: { 'o.org': entry('o:p') }, credHelpers: { 'x.org': 'none' } }
  write('run/containers/auth.json', other)
  const { file } = saveCredentials('h.org', { username: 'me', password: 'pass:word' }, is)
  assert.equal(JSON.parse(readFileSync(file, 'utf8')), {
    ...other,
    auths: { ...other.auths, 'h.org': entry('me:pass:word') }
  })
  assert.is(forgetCredentials('h.org', is).removed?.file, file)
  assert.equal(JSON.parse(readFileSync(file, 'utf8')), other)
  writeFileSync(join(folder, 'run/containers/auth.json'), '{"auths": {"h.org": secret}}')
  const broken = refused(
    () => findCredentials({ host: 'h.org', repository: 'a' }, is),
    'SETTINGS_INVALID',
    /is not JSON/
  )
  assert.not.match(String(broken), /secret/)
})

names('helpers keep, give and forget credentials in place of the file', () => {
  const { folder, environment, write } = settings()
  const program = join(folder, 'docker-credential-box')
  writeFileSync(
    program,
    `#!/bin/sh
case $1 in
  store) cat > ${folder}/box ;;
  get) [ -s ${folder}/box ] && cat ${folder}/box || { echo credentials not found in native keychain; exit 1; } ;;
  erase) rm ${folder}/box ;;
esac
`
  )
  chmodSync(program, 0o755)
  write('run/containers/auth.json', { credHelpers: { 'h.org': 'box' } })
  const is = { environment: { ...environment, PATH: `${folder}:${process.env.PATH}` } }
  const at = { host: 'h.org', repository: 'a' }
  assert.is(findCredentials(at, is), undefined)
  assert.is(saveCredentials('h.org', { username: 'me', password: 'x' }, is).helper, 'box')
  assert.equal(findCredentials(at, is), { username: 'me', password: 'x' })
  assert.is(forgetCredentials('h.org', is).removed?.helper, 'box')
  assert.is(findCredentials(at, is), undefined)
  const without = { environment: { ...environment, PATH: scratch() } }
  refused(() => findCredentials(at, without), 'REGISTRY_DENIED', /docker-credential-box get: ENOENT/)
  write('run/containers/auth.json', { credHelpers: { 'h.org': '../../bin/sh' } })
  refused(() => findCredentials(at, is), 'SETTINGS_INVALID', /cannot be the name of a credential helper/)
})

names('of the tables in registries.conf the longest prefix counts, and the rest of the name stays', () => {
  const conf = join(scratch(), 'registries.conf')
  writeFileSync(
    conf,
    `unqualified-search-registries = ["h.org"]
[[registry]]
location = "h.org"
insecure = true
[[registry]]
prefix = "h.org/a"
location = "cache.org:5000/copy/a"
[[registry.mirror]]
location = "near.org/a"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "far.org"
pull-from-mirror = "tag-only"
[[registry]]
prefix = "*.wild.org"
insecure = true
[[registry]]
prefix = "docker.io"
location = "hub.site.org/proxy"
`
  )
  const places = (address: string) =>
    placesOf(parseImageAddress(address), { CONTAINERS_REGISTRIES_CONF: conf }).map(
      place => `${formatReference(place)}${place.insecure ? ' insecure' : ''}`
    )
  assert.equal(places('docker://h.org/b:1'), ['h.org/b:1 insecure'])
  assert.equal(places('docker://h.org/ab:1'), ['h.org/ab:1 insecure'])
  assert.equal(places('docker://h.org:80/b:1'), ['h.org:80/b:1'])
  assert.equal(places('docker://h.org/a/b:1'), ['far.org/b:1', 'cache.org:5000/copy/a/b:1'])
  assert.equal(places(`docker://h.org/a@sha256:${HEX}`).length, 2)
  assert.equal(places('docker://r.wild.org/b:1'), ['r.wild.org/b:1 insecure'])
  assert.equal(places('docker://debian:12'), ['hub.site.org/proxy/library/debian:12'])
  assert.equal(places('docker://other.org/b:1'), ['other.org/b:1'])
  writeFileSync(conf, '[[registry]]\nprefix = "h.org"\nlocation = "../etc"\n')
  refused(() => places('docker://h.org/b'), 'SETTINGS_INVALID', /location does not begin with a host/)
})

needing(names, 'skopeo')('skopeo reads registries.conf in the same way', () => {
  const conf = join(scratch(), 'registries.conf')
  const outcome = (text: string): string => {
    writeFileSync(conf, text)
    try {
      const words = ['--registries-conf', conf, 'inspect', '--tls-verify=false', 'docker://h.invalid/a/b:1']
      execFileSync('skopeo', words, { encoding: 'utf8', stdio: 'pipe' })
      return ''
    } catch (error) {
      return String((error as { stderr: string }).stderr)
    }
  }
  assert.match(
    outcome('[[registry]]\nprefix = "h.invalid/a"\nlocation = "127.0.0.1:1/copy"\n'),
    /127\.0\.0\.1:1\/copy\/b|127\.0\.0\.1:1\/v2/
  )
  assert.match(
    outcome('[[registry]]\nprefix = "h.invalid"\nlocation = "h.invalid"\nblocked = true\n'),
    /blocked/
  )
})

names.run()
