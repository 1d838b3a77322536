/** A registry elsewhere that sends commands to services of this machine, which trust whoever can reach them. */
import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { isLoopback, leadsInside } from '../../../store/registry/near-hosts.ts'
import { PushRepository } from '../../../store/registry/push-repository.ts'
import { parseImageAddress } from '../../../store/registry/reference.ts'
import type { RegistrySettings } from '../../../store/registry/registry-session.ts'
import { findImage } from '../../../store/registry/remote-repository.ts'
import { FakeRegistry, type Meddle, nobody } from '../../helpers/fake-registry.ts'
import { LayoutMaker, tarOf } from '../../helpers/oci-layout.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const near = suite('registry: services of this machine')

const NAME = 'registry.invalid'
const layout = new LayoutMaker(join(scratch(), 'image'))
const IMAGE = layout.image([tarOf('tool', 'x')])

const closing: { close(): unknown }[] = []
near.after(() => {
  for (const server of closing) server.close()
})

const listen = async (server: Server): Promise<number> => {
  closing.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** A service that answers everybody on this machine, and what it was asked. */
async function service(): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = []
  const server = createServer(({ method, url }, response) => {
    asked.push(`${method} ${url}`)
    response.end('{"token":"x"}')
  })
  return { port: await listen(server), asked }
}

interface Elsewhere {
  registry: FakeRegistry
  settings: RegistrySettings
}

/** A registry on another machine, as far as this one knows: a proxy knows the way, and settings allow http. */
async function elsewhere(meddle: Meddle): Promise<Elsewhere> {
  const registry = await FakeRegistry.start(layout, { '1': IMAGE })
  closing.push({ close: () => registry.stop() })
  registry.meddle = meddle
  const port = Number(registry.host.split(':')[1])
  const proxy = createServer().on('connect', (_: IncomingMessage, socket: Socket, head: Buffer) => {
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      onward.write(head)
      onward.pipe(socket).pipe(onward)
    })
    for (const end of [socket, onward]) end.on('error', () => end.destroy())
  })
  const way = `http://127.0.0.1:${await listen(proxy)}`
  const conf = join(scratch(), 'registries.conf')
  writeFileSync(conf, `[[registry]]\nlocation = "${NAME}"\ninsecure = true\n`)
  const authFile = join(scratch(), 'auth.json')
  const auth = Buffer.from('me:secret').toString('base64')
  writeFileSync(authFile, JSON.stringify({ auths: { [NAME]: { auth } } }))
  const environment = { CONTAINERS_REGISTRIES_CONF: conf, HTTP_PROXY: way, HTTPS_PROXY: way }
  return { registry, settings: { ...nobody(), authFile, environment } }
}

const inside = (port: number): string[] => [
  `http://127.0.0.1:${port}`,
  `http://localhost:${port}`,
  `http://[::ffff:127.0.0.1]:${port}`,
  `http://0.0.0.0:${port}`,
  `https://127.0.0.1:${port}`,
  'http://169.254.169.254'
]

async function read({ settings }: Elsewhere): Promise<string> {
  const { repository, top } = await findImage(parseImageAddress(`docker://${NAME}/tool:1`), settings)
  await repository.close()
  return top.digest
}

near('a registry elsewhere is read through the proxy', async () => {
  assert.is(await read(await elsewhere(() => false)), IMAGE.digest)
})

near('a redirect, a realm and an address for an upload lead to none of them', async () => {
  const { port, asked } = await service()
  for (const origin of inside(port)) {
    const redirected = await elsewhere((_, response) => {
      response.writeHead(307, { location: `${origin}/start?job=1` }).end()
      return true
    })
    await refusedLater(read(redirected), 'REGISTRY_INVALID', /which only this machine or its link can reach/)
    const challenged = await elsewhere((_, response) => {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${origin}/start"` }).end()
      return true
    })
    await refusedLater(read(challenged), 'REGISTRY_INVALID', /it sends logins to .* only this machine/)
    const uploaded = await elsewhere(({ method }, response) => {
      response.writeHead(method === 'POST' ? 202 : 404, { location: `${origin}/start` }).end()
      return true
    })
    const target = parseImageAddress(`docker://${NAME}/tool:1`)
    const repository = new PushRepository(target, uploaded.settings)
    const blob = { digest: IMAGE.digest, sizeBytes: 1, chunks: async function* () {} }
    await refusedLater(repository.sendBlob(blob), 'REGISTRY_INVALID', /only this machine|less safe/)
    await repository.close()
  }
  assert.equal(asked, [])
})

near('names and addresses of this machine are known in every spelling', () => {
  const hosts = [
    '127.1',
    '0x7f.1',
    '2130706433',
    '[::1]',
    '[::ffff:127.0.0.1]',
    'LOCALHOST',
    'localhost.',
    'a.localhost'
  ]
  for (const host of hosts) {
    const { hostname } = new URL(`http://${host}`)
    assert.ok(isLoopback(hostname), host)
    assert.ok(leadsInside(NAME, hostname), host)
    assert.not.ok(leadsInside('127.0.0.1', hostname), host)
  }
  for (const host of ['0', '[::]', '169.254.169.254', '2852039166', '[::ffff:169.254.1.1]', '[fe80::1]']) {
    const { hostname } = new URL(`http://${host}`)
    assert.not.ok(isLoopback(hostname), host)
    for (const from of [NAME, '127.0.0.1']) assert.ok(leadsInside(from, hostname), host)
    assert.not.ok(leadsInside(hostname, hostname), host)
  }
  for (const host of ['10.0.0.1', '192.168.1.1', '[fd00::1]', 'registry.example.org', 'mylocalhost'])
    assert.not.ok(leadsInside(NAME, new URL(`http://${host}`).hostname), host)
})

near.run()
