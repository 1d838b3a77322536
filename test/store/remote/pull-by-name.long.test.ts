/** Names of remotes that are broken, deny, or send what makes no sense: no other remote gives them another meaning. */
import { mkdirSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { parseModuleRequest } from '../../../store/module/index.ts'
import { readBounded, readRefusal } from '../../../store/registry/bounded-body.ts'
import { PushRepository } from '../../../store/registry/push-repository.ts'
import { listTags } from '../../../store/registry/remote-repository.ts'
import type { Answer } from '../../../store/registry/transport.ts'
import { offeredRecords } from '../../../store/remote/catalogue.ts'
import { pullByName } from '../../../store/remote/pull-missing.ts'
import { updateCatalogue } from '../../../store/remote/update-catalogue.ts'
import { DEFAULT_LIMITS } from '../../../store/values/limits.ts'
import { nobody } from '../../helpers/fake-registry.ts'
import { type ModuleServer, moduleServers } from '../../helpers/module-server.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const tests = suite('remote: names')
const serve = moduleServers(tests)

/** A registry with app/big-1, whose list of tags is answered by `meddle` or names this version. */
async function siteWith(text: string, meddle?: ModuleServer['meddle']): Promise<ModuleServer> {
  const tree = join(scratch(), 'tree')
  mkdirSync(tree)
  writeFileSync(join(tree, 'file'), text)
  const store = await newStore()
  const server = await serve(store, (await importInto(store, 'app/big-1', [tree])).record)
  server.meddle = (request, response) => {
    if (meddle?.(request, response)) return true
    return request.url?.includes('/tags/list') === true && answered(response, 200, '{"tags":["1"]}')
  }
  return server
}

function answered(response: ServerResponse, status: number, body: string, headers = {}): true {
  response.writeHead(status, headers).end(body)
  return true
}

const remoteOf = (name: string, { host }: ModuleServer) => ({ name, prefix: { host, path: 'x' }, file: '' })

async function pull(
  sites: Record<string, ModuleServer>,
  more: { registry?: ReturnType<typeof nobody>; onRemote?: (from: object) => void } = {}
) {
  const remotes = Object.entries(sites).map(([name, server]) => remoteOf(name, server))
  const options = { registry: nobody(), replace: false, limits: DEFAULT_LIMITS, ...more }
  return pullByName(await newStore(), parseModuleRequest('app/big'), remotes, options)
}

tests('a name stays that of the first remote that lists it, whatever is lost there', async () => {
  const lesser = await siteWith('of another')
  const losing = (lost: (url: string) => boolean) =>
    siteWith('ours', ({ url = '' }, response) => lost(url) && answered(response, 404, '{}'))
  const noManifest = await losing(url => url.includes('/manifests/'))
  const noRecord = await losing(url => url.endsWith(noRecord.manifest.config.digest))
  const noData = await losing(url => url.endsWith(noData.of('data')[0].digest))
  for (const site of [noManifest, noRecord, noData]) {
    const { message, hint } = await refusedLater(
      pull({ site, lesser }),
      'REGISTRY_UNKNOWN',
      /^remote site lists 127.*\/x\/app\/big:1, and does not send it: .* is not there/
    )
    assert.match(message, site.host)
    assert.match(hint ?? '', `compose pull ${lesser.host}/x/app/big:VERSION takes it from remote lesser`)
  }
  const empty = await siteWith(
    'x',
    ({ url = '' }, response) => url.includes('/tags/') && answered(response, 404, '{}')
  )
  assert.is((await pull({ empty, lesser })).remote, 'lesser')
})

tests('what a remote lists and does not send is offered by no later one', async () => {
  const offering = (text: string, lost: (url: string) => boolean) =>
    siteWith(text, ({ url = '' }, response) => {
      if (lost(url)) return answered(response, 404, '{}')
      return url.includes('/_catalog') && answered(response, 200, '{"repositories":["x/app/big"]}')
    })
  const site = remoteOf('site', await offering('ours', url => url.includes('/manifests/')))
  const lesser = remoteOf('lesser', await offering('of another', () => false))
  const former = process.env.XDG_CACHE_HOME
  process.env.XDG_CACHE_HOME = scratch()
  try {
    const { notes } = await updateCatalogue(site, nobody())
    assert.match(notes.join(), /^x\/app\/big:1 is left out, also of what later remotes offer/)
    await updateCatalogue(lesser, nobody())
    assert.is(offeredRecords([lesser]).length, 1)
    assert.equal(offeredRecords([site, lesser]), [])
    assert.is(offeredRecords([lesser, site]).length, 1)
  } finally {
    if (former === undefined) delete process.env.XDG_CACHE_HOME
    else process.env.XDG_CACHE_HOME = former
  }
})

tests('a denial leaves a name to the next remote only for users without a login there', async () => {
  const lesser = await siteWith('of another')
  const closed = await siteWith('ours', ({ url }, response) =>
    url === '/v2/' ? false : answered(response, 403, '{}')
  )
  const told: object[] = []
  const { remote, notes } = await pull(
    { closed, lesser },
    {
      onRemote: from => {
        assert.equal(lesser.asked, [])
        told.push(from)
      }
    }
  )
  assert.is(remote, 'lesser')
  assert.equal(told, [{ remote: `lesser (${lesser.host}/x)`, refusedBy: ['closed'] }])
  assert.match(notes.join(), /^remote closed refuses to say whether it has app\/big/)
  const authFile = join(scratch(), 'auth.json')
  const auth = Buffer.from('me:former').toString('base64')
  writeFileSync(authFile, JSON.stringify({ auths: { [closed.host]: { auth } } }))
  const { hint } = await refusedLater(
    pull({ closed, lesser }, { registry: { ...nobody(), authFile } }),
    'REGISTRY_DENIED',
    /^remote closed does not say whether it has app\/big: .* is refused/
  )
  assert.match(hint ?? '', `compose login ${closed.host}; compose pull ${lesser.host}/x/app/big:VERSION`)
})

tests(
  'addresses that are none, in uploads and in lists of several pages, are answers of no sense',
  async () => {
    const bytes = Buffer.from('x')
    const blob = {
      digest: `sha256:${'a'.repeat(64)}`,
      sizeBytes: 1,
      chunks: async function* () {
        yield bytes
      }
    }
    let link = ''
    const server = await siteWith('x', ({ method, url = '' }, response) => {
      if (method === 'POST') return answered(response, 202, '', { location: 'http://[' })
      return url.includes('/tags/list') && answered(response, 200, '{"tags":["1"]}', { link })
    })
    const place = { host: server.host, repository: 'x/app/big', tag: '1' }
    const repository = new PushRepository(place, nobody())
    await refusedLater(repository.sendBlob(blob), 'REGISTRY_INVALID', /sends to "http:\/\/\[", which is not/)
    await repository.close()
    // Two slashes in front would be another host.
    link = `<http://${server.host}//[/list>; rel="next"`
    await refusedLater(listTags(place, nobody()), 'REGISTRY_UNKNOWN', /the list of tags of .* is not there/)
  }
)

tests('a list that is cut off is an error of the registry', async () => {
  const server = await siteWith('x', ({ url = '' }, response) => {
    if (!url.includes('/tags/list')) return false
    response.writeHead(200, { 'content-length': 100 })
    response.write('{', () => response.destroy())
    return true
  })
  const place = { host: server.host, repository: 'x/app/big' }
  await refusedLater(listTags(place, nobody()), 'REGISTRY_UNREACHABLE', /connection was closed/)
})

tests('answers that come byte by byte hold nobody', async () => {
  const dribbling = (): Answer => {
    const cutting = new AbortController()
    return {
      url: new URL('http://h.invalid/v2/'),
      status: 404,
      header: () => undefined,
      body: dribble(cutting.signal),
      drop: () => {},
      cut: () => cutting.abort()
    }
  }
  const beganAtMs = Date.now()
  assert.is(await readRefusal(dribbling(), 50), '')
  await refusedLater(
    readBounded(dribbling(), 1000, 'the list', { graceMs: 50, bytesPerSecond: 1000 }),
    'REGISTRY_UNREACHABLE',
    /^registry h\.invalid: the list comes too slowly: \d+ bytes/
  )
  assert.ok(Date.now() - beganAtMs < 4000)
})

async function* dribble(cut: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < 200; i++) {
    cut.throwIfAborted()
    await new Promise(resolve => setTimeout(resolve, 30))
    yield Buffer.from(' ')
  }
}

tests.run()
