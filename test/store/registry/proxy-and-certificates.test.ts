/** A registry behind a proxy, and one that wants to know the client by a certificate. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import * as assert from 'uvu/assert'
import { parseImageAddress } from '../../../store/registry/reference.ts'
import type { RegistrySettings } from '../../../store/registry/registry-session.ts'
import { findImage } from '../../../store/registry/remote-repository.ts'
import { nobody } from '../../helpers/fake-registry.ts'
import { needing } from '../../helpers/needs.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { makeCertificate, signedBy } from '../../helpers/registry.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const tests = suite('registry: proxies and certificates')
const test = needing(tests, 'openssl')

const folder = scratch()
const file = (name: string) => join(folder, name)
const MANIFEST = '{"schemaVersion":2}'
const closing: { close(): unknown }[] = []
tests.after(() => {
  for (const server of closing) server.close()
})

/** A registry with one manifest, over TLS. @returns its port */
async function secure(isAllowed: (request: IncomingMessage) => boolean = () => true): Promise<number> {
  const keys = { key: readFileSync(file('server.key')), cert: readFileSync(file('server.crt')) }
  const asking = { requestCert: true, rejectUnauthorized: false, ca: readFileSync(file('ca.crt')) }
  const server = createSecureServer({ ...keys, ...asking }, (request, response) => {
    const type = { 'content-type': 'application/vnd.oci.image.manifest.v1+json', connection: 'close' }
    response.writeHead(isAllowed(request) ? 200 : 403, type).end(MANIFEST)
  })
  closing.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

async function read(address: string, settings: Partial<RegistrySettings>): Promise<string> {
  const { repository, top } = await findImage(parseImageAddress(address), { ...nobody(), ...settings })
  await repository.close()
  return top.bytes.toString()
}

tests.before(() => {
  makeCertificate(folder, 'ca')
  signedBy(folder, 'ca', 'server', 'subjectAltName=DNS:registry.invalid,IP:127.0.0.1')
  signedBy(folder, 'ca', 'client', 'extendedKeyUsage=clientAuth')
})

test('requests go through the proxy that the environment names, with its account, and not where NO_PROXY says', async () => {
  const port = await secure()
  const seen: string[] = []
  const proxy = createServer().on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    seen.push(`${request.url} ${request.headers['proxy-authorization']}`)
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      onward.write(head)
      onward.pipe(socket).pipe(onward)
    })
    for (const end of [socket, onward]) end.on('error', () => end.destroy())
  })
  closing.push(proxy)
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  const { environment } = nobody()
  const through = {
    ...environment,
    HTTPS_PROXY: `http://me:p%40ss@127.0.0.1:${(proxy.address() as AddressInfo).port}`
  }
  const tlsCa = [file('ca.crt')]
  assert.is(await read('docker://registry.invalid/a:1', { environment: through, tlsCa }), MANIFEST)
  assert.equal(seen, [`registry.invalid:443 Basic ${Buffer.from('me:p@ss').toString('base64')}`])
  const excepted = { ...through, NO_PROXY: 'invalid' }
  await refusedLater(
    read('docker://registry.invalid/a:1', { environment: excepted, tlsCa }),
    'REGISTRY_UNREACHABLE',
    /registry registry\.invalid: its name (is not known|cannot be looked up)/
  )
  assert.is(seen.length, 1)
})

test('the certificate of the client in certs.d is shown, and a key has to be beside it', async () => {
  const port = await secure(({ socket }) => {
    const { authorized, getPeerCertificate } = socket as TLSSocket
    return authorized && getPeerCertificate.call(socket).subject?.CN === 'client'
  })
  const address = `docker://127.0.0.1:${port}/a:1`
  await refusedLater(read(address, { tlsCa: [file('ca.crt')] }), 'REGISTRY_DENIED', /status 403/)
  const home = scratch()
  const certs = join(home, '.config/containers/certs.d', `127.0.0.1:${port}`)
  mkdirSync(certs, { recursive: true })
  const settings = { environment: { ...nobody().environment, HOME: home } }
  const place = (from: string, to: string) => writeFileSync(join(certs, to), readFileSync(file(from)))
  place('ca.crt', 'site.crt')
  place('client.crt', 'me.cert')
  await refusedLater(read(address, settings), 'SETTINGS_INVALID', /me\.cert: has no me\.key beside it/)
  place('server.key', 'me.key')
  await refusedLater(read(address, settings), 'SETTINGS_INVALID', /cannot be used/)
  place('client.key', 'me.key')
  assert.is(await read(address, settings), MANIFEST)
  writeFileSync(join(certs, 'site.crt'), 'not PEM')
  await refusedLater(read(address, settings), 'SETTINGS_INVALID', /holds no certificate/)
})

test('a certificate for another host is refused, unless settings call the registry insecure', async () => {
  const port = await secure()
  const tlsCa = [file('ca.crt')]
  const address = `docker://localhost:${port}/a:1`
  await refusedLater(read(address, { tlsCa }), 'REGISTRY_UNREACHABLE', /its certificate is for another host/)
  const conf = join(scratch(), 'registries.conf')
  writeFileSync(conf, `[[registry]]\nlocation = "localhost:${port}"\ninsecure = true\n`)
  const environment = { ...nobody().environment, CONTAINERS_REGISTRIES_CONF: conf }
  assert.is(await read(address, { environment }), MANIFEST)
})

test('openssl says that the certificates are good', () => {
  execFileSync('openssl', ['verify', '-CAfile', file('ca.crt'), file('server.crt'), file('client.crt')])
})

test('a proxy that cannot be reached is named, and not the registry behind it', async () => {
  const environment = { HTTPS_PROXY: 'http://127.0.0.1:9' }
  const asked = read('docker://registry.invalid/x:1', { environment })
  await refusedLater(
    asked,
    'REGISTRY_UNREACHABLE',
    /the proxy 127[.]0[.]0[.]1:9 that leads to it: nothing listens/
  )
})

tests.run()
