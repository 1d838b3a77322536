/** Registries that are busy, broken or hostile: the right bytes or an error that names the registry, and nothing published. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readRefusal } from '../../../store/registry/bounded-body.ts'
import { digestOf, PushRepository } from '../../../store/registry/push-repository.ts'
import { findImage } from '../../../store/registry/remote-repository.ts'
import { Transport } from '../../../store/registry/transport.ts'
import { refuseOpen, withdrawOpen } from '../../../store/remote/push-module.ts'
import type { ErrorCode, StrataError } from '../../../store/values/errors.ts'
import { FakeRegistry, type Meddle, nobody } from '../../helpers/fake-registry.ts'
import { atAllSize, atCheckSize } from '../../helpers/needs.ts'
import { LayoutMaker, tarOf } from '../../helpers/oci-layout.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize } from '../../helpers/size.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const hostile = suite('registry: busy, broken, hostile')
const longHostile = atCheckSize(hostile)
const long = atAllSize(hostile)

const started: FakeRegistry[] = []
hostile.after(() => {
  for (const registry of started) registry.stop()
})

interface Meddled {
  registry: FakeRegistry
  manifest: string
  config: string
  layer: string
}

const layout = new LayoutMaker(join(scratch(), 'image'))
const TAR = tarOf('tool', randomBytes(200_000).toString('latin1'))
const IMAGE = layout.image([TAR])
const { config, layers } = JSON.parse(layout.files()[`blobs/${IMAGE.digest.replace(':', '/')}`].toString())

async function meddled(meddle?: (path: string) => Meddle | undefined): Promise<Meddled> {
  const registry = await FakeRegistry.start(layout, { '1': IMAGE })
  started.push(registry)
  registry.meddle = (request, response) => meddle?.(request.url ?? '')?.(request, response) ?? false
  return { registry, manifest: IMAGE.digest, config: config.digest, layer: layers[0].digest }
}

const isLayer = (path: string) => path.endsWith(layers[0].digest)
const isTag = (path: string) => path.endsWith('/manifests/1')

const address = ({ registry }: Meddled, name = 'tool:1') => `docker://${registry.host}/${name}`

async function takes(made: Meddled, pauses: number[] = []) {
  const store = await newStore()
  const options = { registry: nobody(pauses), platform: { os: 'linux', architecture: 'amd64' } }
  const { layers } = await importInto(store, 'base/x-1', [address(made)], options)
  assert.is(layers[0].tarBytes, TAR.length)
}

async function refuses(made: Meddled, code: ErrorCode, message: RegExp): Promise<StrataError> {
  const store = await newStore()
  const options = { registry: nobody(), platform: { os: 'linux', architecture: 'amd64' } }
  const error = await refusedLater(importInto(store, 'base/x-1', [address(made)], options), code, message)
  assert.match(error.message, made.registry.host)
  assert.not.match(error.message, /[\x00-\x1f\x7f]/)
  assert.not(existsSync(join(store.root, 'refs/modules/base/x')))
  return error
}

const answer =
  (status: number, headers: Record<string, string | number> = {}, body: string | Buffer = ''): Meddle =>
  (_, response) => {
    response.writeHead(status, headers).end(body)
    return true
  }

/** The first answers, then those of the registry. */
const first = (count: number, meddle: Meddle): Meddle => {
  let left = count
  return (request, response) => left-- > 0 && meddle(request, response)
}

/** Sends until nobody listens, and counts. */
function endless(response: ServerResponse, piece: Buffer, sent: { bytes: number }): boolean {
  const write = () => {
    while (!response.destroyed) {
      sent.bytes += piece.length
      if (!response.write(piece)) return void response.once('drain', write)
    }
  }
  write()
  return true
}

hostile('a busy registry is asked again after the time that it names', async () => {
  const busy = first(1, answer(429, { 'retry-after': 7 }))
  const later = first(1, answer(503, { 'retry-after': new Date(Date.now() + 3600_000).toUTCString() }))
  const pauses: number[] = []
  await takes(await meddled(path => (isTag(path) ? busy : isLayer(path) ? later : undefined)), pauses)
  assert.equal(pauses, [7000, 60_000])
})

hostile('a registry that stays busy is given up', async () => {
  const made = await meddled(path => (isTag(path) ? answer(503, {}, 'no') : undefined))
  await refuses(made, 'REGISTRY_UNREACHABLE', /busy or broken, after several tries: status 503/)
  assert.is(made.registry.requests.filter(isTag).length, 5)
})

long('a download that is cut off anywhere goes on where it was', async () => {
  const bytes = (await meddled()).registry.bytesOf(layers[0].digest)
  const places = bySize(
    [0, 1, 1000, bytes.length - 1],
    [...Array(100).keys()].map(i => Math.floor((i * bytes.length) / 100))
  )
  for (const place of places) {
    const cut = first(1, (_, response) => {
      response.writeHead(200, { 'content-length': bytes.length })
      response.write(bytes.subarray(0, place), () => response.destroy())
      return true
    })
    await takes(await meddled(path => (isLayer(path) ? cut : undefined)))
  }
})

hostile('a registry that begins anew instead of going on gives the same bytes', async () => {
  const made = await meddled()
  const bytes = made.registry.bytesOf(layers[0].digest)
  let asked = 0
  made.registry.meddle = ({ url = '' }, response) => {
    if (!isLayer(url)) return false
    response.writeHead(200, { 'content-length': bytes.length })
    if (asked++ > 0) response.end(bytes)
    else response.write(bytes.subarray(0, 5000), () => response.destroy())
    return true
  }
  await takes(made)
  assert.match(made.registry.requests.at(-1)!, /bytes=[0-9]+-$/)
})

hostile('a download that never comes further is given up', async () => {
  const made = await meddled()
  const bytes = made.registry.bytesOf(layers[0].digest)
  made.registry.meddle = ({ url = '', headers }, response) => {
    if (!isLayer(url)) return false
    const from = Number(/[0-9]+/.exec(headers.range ?? '0')![0])
    const range = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length - from, ...range })
    response.write(bytes.subarray(from, from + 1), () => response.destroy())
    return true
  }
  await refuses(made, 'REGISTRY_UNREACHABLE', /broke off again and again, at [0-9]+ of [0-9]+ bytes/)
})

hostile('a part that is not the one that was asked for is refused', async () => {
  const made = await meddled()
  const bytes = made.registry.bytesOf(layers[0].digest)
  for (const [range, message] of [
    ['bytes 9000-9001/9002', /asked for the bytes from [0-9]+ on, it sends those from 9000 on/],
    ['lines 1-2', /without saying which/]
  ] as const) {
    let asked = 0
    made.registry.meddle = ({ url = '' }, response) => {
      if (!isLayer(url)) return false
      if (asked++ === 0) response.writeHead(200).write(bytes.subarray(0, 5000), () => response.destroy())
      else response.writeHead(206, { 'content-range': range }).end(bytes.subarray(5000))
      return true
    }
    await refuses(made, 'REGISTRY_INVALID', message)
  }
})

hostile('bytes with another digest or length are refused, manifests and blobs alike', async () => {
  const other = randomBytes(layers[0].size)
  const wrong = Buffer.from(layout.files()[`blobs/${layers[0].digest.replace(':', '/')}`])
  wrong[wrong.length - 1] ^= 1
  const of = (is: (path: string) => boolean, bytes: Buffer) =>
    meddled(path => (is(path) ? answer(200, {}, bytes) : undefined))
  for (const bytes of [other, wrong]) {
    const error = await refuses(await of(isLayer, bytes), 'SOURCE_INVALID', /layer 1 of 1, sha256:/)
    assert.match(error.message, layers[0].digest)
  }
  const long = Buffer.concat([wrong, other])
  await refuses(await of(isLayer, long), 'REGISTRY_INVALID', /has more than the [0-9]+ bytes/)
  const isConfig = (path: string) => path.endsWith(config.digest)
  const swapped = Buffer.from('{}'.padEnd(config.size))
  await refuses(await of(isConfig, swapped), 'SOURCE_INVALID', /hashes to/)
  const made = await meddled(path =>
    path.includes('/manifests/') ? answer(200, { 'content-type': IMAGE.mediaType }, '{}') : undefined
  )
  const store = await newStore()
  const byDigest = importInto(store, 'base/x-1', [address(made, `tool@${IMAGE.digest}`)], {
    registry: nobody()
  })
  await refusedLater(byDigest, 'REGISTRY_INVALID', /hashes to sha256:.*another manifest/)
})

hostile('of answers without end, no more is read than an answer may have', async () => {
  const piece = Buffer.alloc(1 << 16, 'x')
  const most = 24 << 20 // the limit for a manifest, and what lies in the buffers of both sides
  const type = { 'content-type': IMAGE.mediaType }
  for (const [is, status, headers, code, message] of [
    [isTag, 200, type, 'REGISTRY_INVALID', /is longer than 16777216 bytes/],
    [isTag, 404, {}, 'REGISTRY_UNKNOWN', /status 404/],
    [isTag, 403, {}, 'REGISTRY_DENIED', /status 403/],
    [isLayer, 200, {}, 'REGISTRY_INVALID', /has more than/]
  ] as const) {
    const sent = { bytes: 0 }
    const made = await meddled(path =>
      is(path) ? (_, response) => endless(response.writeHead(status, headers), piece, sent) : undefined
    )
    await refuses(made, code, message).catch(error => {
      if (is !== isLayer) throw error // noise is no gzip, which may be seen first
    })
    assert.ok(sent.bytes < most, `${sent.bytes} bytes`)
  }
  const large = await meddled(path =>
    isTag(path) ? answer(200, { ...type, 'content-length': 1 << 30 }) : undefined
  )
  await refuses(large, 'REGISTRY_INVALID', /is longer than/)
  const headers = Object.fromEntries([...Array(100).keys()].map(i => [`x-${i}`, 'y'.repeat(1000)]))
  await refuses(
    await meddled(path => (isTag(path) ? answer(200, headers) : undefined)),
    'REGISTRY_INVALID',
    /headers of its answer/
  )
})

/** Sends a byte 20 times a second, for 20 seconds. Resolves with the number of bytes when the connection ends. */
async function drip(response: ServerResponse): Promise<number> {
  let bytes = 0
  const timer = setInterval(() => (++bytes < 400 ? response.write(' ') : response.end()), 50)
  await once(response, 'close')
  clearInterval(timer)
  return bytes
}

longHostile('bodies that nobody wants and that drip hold no connection for the next requests', async () => {
  const dripped: Promise<number>[] = []
  const made = await meddled()
  made.registry.meddle = (request, response) => {
    const { method, url = '' } = request
    if (method === 'POST') return answer(202, { location: `${url}1` })(request, response)
    if (method === 'PUT') {
      request.resume().on('end', () => response.writeHead(201).end())
      return true
    }
    if (!url.includes('/blobs/')) return false
    dripped.push(drip(response.writeHead(404)))
    return true
  }
  // A client has 8 connections to a registry.
  const blobs = [...Array(20).keys()].map(i => Buffer.from(`blob ${i}`))
  const repository = new PushRepository({ host: made.registry.host, repository: 'tool', tag: '1' }, nobody())
  const sent = blobs.map(bytes =>
    repository.putBlob({
      digest: digestOf(bytes),
      sizeBytes: bytes.length,
      chunks: async function* () {
        yield bytes
      }
    })
  )
  assert.equal(
    await Promise.all(sent),
    blobs.map(() => true)
  )
  await repository.close()
  assert.is(dripped.length, blobs.length)
  for (const bytes of await Promise.all(dripped)) assert.ok(bytes < 400, 'a body was read to its end')
})

hostile('words of a refusal that stop coming end their connection when their time is over', async () => {
  let closed: Promise<unknown> | undefined
  const made = await meddled(() => (_, response) => {
    closed = once(response, 'close')
    response.writeHead(403).write('{"errors":[')
    return true
  })
  const transport = new Transport(nobody())
  const refusal = await transport.send(new URL(`http://${made.registry.host}/v2/`), {
    method: 'GET',
    headers: {}
  })
  assert.is(await readRefusal(refusal, 50), '')
  await closed
  await transport.close()
})

hostile('text of a registry is escaped, and its media types are checked', async () => {
  const words = JSON.stringify({
    errors: [{ code: 'BAD\u001b[31m', message: `\nerror: fake\u0007${'x'.repeat(5000)}` }]
  })
  const { message } = await refuses(
    await meddled(path => (isTag(path) ? answer(400, {}, words) : undefined)),
    'REGISTRY_INVALID',
    /status 400/
  )
  assert.ok(message.length < 700, message)
  for (const [type, said] of [
    ['text/html', /comes as "text\/html"/],
    ['application/vnd.docker.distribution.manifest.v1+prettyjws', /docker's schema 1/]
  ] as const)
    await refuses(
      await meddled(path => (isTag(path) ? answer(200, { 'content-type': type }, '{}') : undefined)),
      'REGISTRY_INVALID',
      said
    )
})

hostile('an account is told to the registry and its realm, and to no other origin', async () => {
  const elsewhere = await meddled()
  const seen: (string | undefined)[] = []
  elsewhere.registry.meddle = ({ headers }) => {
    seen.push(headers.authorization)
    return false
  }
  const made = await meddled()
  const asked: (string | undefined)[] = []
  made.registry.meddle = ({ url = '', headers }, response) => {
    asked.push(headers.authorization)
    const realm = `http://${made.registry.host}/token`
    if (url.startsWith('/token'))
      return answer(200, {}, '{"access_token":"abc"}')(undefined as never, response)
    if (headers.authorization !== 'Bearer abc')
      return answer(401, { 'www-authenticate': `Bearer realm="${realm}",service="s"` })(
        undefined as never,
        response
      )
    if (!isLayer(url)) return false
    return answer(307, { location: `http://${elsewhere.registry.host}${url}` })(undefined as never, response)
  }
  await takes(made)
  assert.equal(seen, [undefined])
  assert.ok(asked.includes('Bearer abc'))
  assert.is(made.registry.requests.filter(path => path.includes('/token')).length, 1, 'one token for all')
  const [scoped] = made.registry.requests.filter(path => path.includes('/token'))
  assert.match(scoped, 'scope=repository%3Atool%3Apull')
})

hostile('another origin that asks for a login gets none', async () => {
  const elsewhere = await meddled()
  const made = await meddled()
  const location = `http://${elsewhere.registry.host}/stolen`
  made.registry.meddle = ({ url = '', headers }, response) => {
    if (headers.authorization === undefined)
      return answer(401, { 'www-authenticate': 'Basic realm=x' })(undefined as never, response)
    return isLayer(url) && answer(307, { location })(undefined as never, response)
  }
  const authFile = join(scratch(), 'auth.json')
  const auth = Buffer.from('me:secret').toString('base64')
  writeFileSync(authFile, JSON.stringify({ auths: { [made.registry.host]: { auth } } }))
  for (const challenge of ['Basic realm=x', `Bearer realm="http://${elsewhere.registry.host}/token"`]) {
    elsewhere.registry.requests.length = 0
    const seen: (string | undefined)[] = []
    elsewhere.registry.meddle = ({ headers }, response) => {
      seen.push(headers.authorization)
      return answer(401, { 'www-authenticate': challenge })(undefined as never, response)
    }
    const registry = { ...nobody(), authFile }
    const taken = importInto(await newStore(), 'base/x-1', [address(made)], { registry })
    await refusedLater(taken, 'REGISTRY_DENIED', /which wants a login of its own/)
    assert.equal(seen, [undefined])
    assert.equal(elsewhere.registry.requests, ['GET /stolen'])
  }
})

hostile('a token that ends in the middle of a download is replaced', async () => {
  const made = await meddled()
  let round = 0
  made.registry.meddle = ({ url = '', headers }, response) => {
    const realm = `http://${made.registry.host}/token`
    if (url.startsWith('/token'))
      return answer(200, {}, `{"token":"t${round}"}`)(undefined as never, response)
    if (headers.authorization !== `Bearer t${round}`)
      return answer(401, { 'www-authenticate': `Bearer realm="${realm}",error="invalid_token"` })(
        undefined as never,
        response
      )
    if (!isLayer(url) || round > 0) return false
    round++
    const bytes = made.registry.bytesOf(layers[0].digest)
    response.writeHead(200, { 'content-length': bytes.length })
    response.write(bytes.subarray(0, 3000), () => response.destroy())
    return true
  }
  await takes(made)
})

longHostile('realms, tokens and redirects that make no sense are refused', async () => {
  const challenged = (realm: string): Meddle => answer(401, { 'www-authenticate': `Bearer realm="${realm}"` })
  const at = (meddle: Meddle) => meddled(path => (isTag(path) ? meddle : undefined))
  for (const realm of ['http://h.invalid/token', 'file:///etc/passwd', 'nowhere'])
    await refuses(await at(challenged(realm)), 'REGISTRY_INVALID', /not an address with https/)
  for (const body of ['{}', '[]', 'x', '{"token":1}', '{"token":"a\\r\\nx: y"}', '{"token":"a b"}']) {
    const made = await meddled()
    made.registry.meddle = ({ url = '' }, response) =>
      url.startsWith('/token')
        ? answer(200, {}, body)(undefined as never, response)
        : isTag(url) && challenged(`http://${made.registry.host}/token`)(undefined as never, response)
    await refuses(made, 'REGISTRY_INVALID', /holds no token/)
  }
  await refuses(await at(answer(401)), 'REGISTRY_DENIED', /in no way that is known/)
  await refuses(
    await at(answer(401, { 'www-authenticate': 'Basic realm=x' })),
    'REGISTRY_DENIED',
    /not logged in/
  )
  const circle = await at(answer(302, { location: '/v2/tool/manifests/1' }))
  await refuses(circle, 'REGISTRY_INVALID', /from one address to the next/)
  for (const location of ['file:///etc/passwd', 'ftp://h.invalid/', 'http://[', 'gopher:x'])
    await refuses(await at(answer(302, { location })), 'REGISTRY_INVALID', /sends to "/)
})

hostile(
  'an artifact that is no image, and a manifest of another size than its index says, are refused',
  async () => {
    const made = new LayoutMaker(join(scratch(), 'image'))
    const image = made.image([tarOf('a', 'x')])
    const index = 'application/vnd.oci.image.index.v1+json'
    const platform = { os: 'linux', architecture: 'amd64' }
    const listed = (size: number) =>
      made.document(index, { schemaVersion: 2, mediaType: index, manifests: [{ ...image, size, platform }] })
    const artifact = made.image([tarOf('a', 'x')], {
      manifest: { config: made.blob('application/vnd.other.v1+json', '{}') }
    })
    const tags = { '1': listed(image.size + 1), '2': artifact }
    const registry = await FakeRegistry.start(made, tags)
    started.push(registry)
    const take = async (tag: string) =>
      importInto(await newStore(), 'base/x-1', [`docker://${registry.host}/tool:${tag}`], {
        registry: nobody(),
        platform
      })
    await refusedLater(take('1'), 'SOURCE_INVALID', /has [0-9]+ bytes, its descriptor says/)
    await refusedLater(take('2'), 'SOURCE_CHOICE', /holds no image, but something of another kind/)
  }
)

/** A registry that takes all that is put, and answers for manifests as a test says; it counts their uploads. */
async function taking(isThere: (manifestsPut: number) => boolean) {
  const made = await meddled()
  const counts = { manifests: 0, blobs: 0, deleted: [] as string[] }
  let kept: Buffer = Buffer.alloc(0)
  made.registry.meddle = (request, response) => {
    const { method, url = '' } = request
    const isManifest = url.includes('/manifests/')
    if (url.includes('/tags/')) return answer(403)(request, response)
    if (method === 'GET' && !isManifest) return false
    const pieces: Buffer[] = []
    request.on('data', piece => pieces.push(piece))
    request.on('end', () => {
      if (method === 'POST') response.writeHead(202, { location: `${url}session` }).end()
      else if (method === 'DELETE') {
        counts.deleted.push(url.slice(url.lastIndexOf('/') + 1))
        response.writeHead(202).end()
      } else if (method === 'GET' && isThere(counts.manifests))
        response.writeHead(200, { 'content-type': MANIFEST }).end(kept)
      else if (method === 'GET') response.writeHead(404).end('{}')
      else {
        if (isManifest) kept = Buffer.concat(pieces)
        counts[isManifest ? 'manifests' : 'blobs']++
        response.writeHead(201).end()
      }
    })
    return true
  }
  const repository = new PushRepository({ host: made.registry.host, repository: 'tool', tag: '1' }, nobody())
  return { repository, counts }
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const BYTES = Buffer.from('{"schemaVersion":2}')

hostile('a manifest that the registry loses after it took it is sent as a blob and put again', async () => {
  const { repository, counts } = await taking(manifests => manifests > 1)
  assert.is(await repository.putManifest('1', BYTES, MANIFEST, []), digestOf(BYTES))
  assert.equal([counts.manifests, counts.blobs], [2, 1])
  await repository.close()
})

hostile('a registry that has nothing of what it took is an error that names the digest', async () => {
  const { repository, counts } = await taking(() => false)
  const error = await refusedLater(
    repository.putManifest('1', BYTES, MANIFEST, []),
    'REGISTRY_INVALID',
    /does not have it afterwards/
  )
  assert.match(error.message, digestOf(BYTES))
  assert.equal([counts.manifests, counts.blobs], [2, 1])
  await repository.close()
})

hostile('what turns out to be open to everybody after it was sent is removed again', async () => {
  const { repository, counts } = await taking(manifests => manifests > 0)
  await refuseOpen('app/tool-1', repository, '1')
  const digest = await repository.putManifest('1', BYTES, MANIFEST, [])
  const error = await refusedLater(
    withdrawOpen('app/tool-1', repository, digest, [digest]),
    'ACCESS_WIDER',
    /everybody can read .*tool without a login/
  )
  assert.equal(counts.deleted, [digest])
  assert.match(error.hint ?? '', /removed again/)
  await repository.close()
})

hostile('headers with control characters end the answer, and reach no terminal', async () => {
  for (const header of ['docker-x: a\x00b', 'content-type: \x1b[31mred', 'x\x07: y', 'location: a\x0bb']) {
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\n${header}\r\ncontent-length: 2\r\n\r\n{}`))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const error = await refusedLater(
      findImage({ host, repository: 'tool', tag: '1' }, nobody()),
      'REGISTRY_INVALID',
      /headers of its answer break the rules of HTTP/
    )
    assert.match(error.message, host)
    assert.not.match(error.message, /[\x00-\x1f\x7f]/)
    server.close()
  }
})

hostile.run()
