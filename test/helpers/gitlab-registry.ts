/**
 * A registry in memory with the rules of GitLab's: repositories are a project's path with at most two names behind it, in
 * lower case with single separators; manifests have a config, and perhaps an artifactType, of a known type. Its message
 * is that of gitlab.com of 2026-09. `node gitlab-registry.js PROJECT` prints its port. With HOST:PORT behind PROJECT it asks
 * that registry for everything that these rules allow, and keeps nothing itself.
 */
import { createHash } from 'node:crypto'
import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const [project, upstream] = process.argv.slice(2)
/** Gitlab::Regex.container_repository_name_regex, as it stood until 2019, which is narrower than today's. */
const NAME = /^[a-z0-9]+(?:[-._/][a-z0-9]+)*$/
const MOST_LEVELS = 2
const KNOWN_TYPES = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
  'application/vnd.cncf.helm.config.v1+json'
]

const blobs = new Map<string, Buffer>()
const manifests = new Map<string, { bytes: Buffer; type: string }>()

const isName = (repository: string): boolean =>
  NAME.test(repository) &&
  (repository === project || repository.startsWith(`${project}/`)) &&
  repository.slice(project.length).split('/').length - 1 <= MOST_LEVELS

const refuse = (response: ServerResponse, status: number, code: string, message: string, detail?: string) =>
  response.writeHead(status).end(JSON.stringify({ errors: [{ code, message, detail }] }))

/** @returns true if it was refused for a type */
function refuseTypes(response: ServerResponse, manifest: Buffer): boolean {
  const { config, artifactType } = JSON.parse(manifest.toString())
  const types = [config?.mediaType, artifactType].filter(one => one !== undefined)
  const unknown = types.find(one => !KNOWN_TYPES.includes(one))
  if (unknown === undefined) return false
  refuse(response, 400, 'MANIFEST_INVALID', 'manifest invalid', `unknown media type: ${unknown}`)
  return true
}

function putManifest(response: ServerResponse, key: string, bytes: Buffer, type: string): void {
  const { config, layers, manifests: children } = JSON.parse(bytes.toString())
  const [repository] = key.split(' ')
  const missing = [config, ...(layers ?? [])].find(one => one && !blobs.has(`${repository} ${one.digest}`))
  const lost = (children ?? []).find(
    (one: { digest: string }) => !manifests.has(`${repository} ${one.digest}`)
  )
  if (missing ?? lost)
    return void refuse(response, 404, 'MANIFEST_BLOB_UNKNOWN', `blob unknown: ${(missing ?? lost).digest}`)
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  for (const name of [key, `${repository} ${digest}`]) manifests.set(name, { bytes, type })
  response.writeHead(201, { 'docker-content-digest': digest }).end()
}

function giveBlob({ headers }: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
  const [, from, to] = /^bytes=([0-9]+)-([0-9]*)$/.exec(headers.range ?? '') ?? []
  if (from === undefined) return void response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
  const part = bytes.subarray(Number(from), to === '' ? undefined : Number(to) + 1)
  const range = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`
  response.writeHead(206, { 'content-length': part.length, 'content-range': range }).end(part)
}

/** Headers stay as they are, so the registry behind names this one in its addresses. */
function askUpstream(
  { method, url, headers }: IncomingMessage,
  body: Buffer,
  response: ServerResponse
): void {
  const asked = ask(`http://${upstream}${url}`, { method, headers }, answer => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  })
  asked.end(body)
}

const server = createServer(async (request, response) => {
  const { method, headers } = request
  const url = new URL(request.url ?? '', 'http://localhost')
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece)
  if (url.pathname === '/v2/') return void response.end('{}')
  const [, repository, kind, name] =
    /^\/v2\/(.*)\/(manifests|blobs\/uploads|blobs|tags)\/([^/]*)$/.exec(url.pathname) ?? []
  if (repository === undefined || !isName(repository))
    return void refuse(response, 403, 'DENIED', 'requested access to the resource is denied')
  const isManifest = method === 'PUT' && kind === 'manifests'
  if (isManifest && refuseTypes(response, Buffer.concat(pieces))) return
  if (upstream !== undefined) return askUpstream(request, Buffer.concat(pieces), response)
  const key = `${repository} ${name}`
  const found = manifests.get(key)
  const blob = blobs.get(key)
  if (method === 'POST') response.writeHead(202, { location: `${url.pathname}session` }).end()
  else if (isManifest) putManifest(response, key, Buffer.concat(pieces), headers['content-type'] ?? '')
  else if (method === 'PUT') {
    blobs.set(`${repository} ${url.searchParams.get('digest')}`, Buffer.concat(pieces))
    response.writeHead(201).end()
  } else if (kind === 'tags') {
    const names = [...manifests.keys()].filter(one => one.startsWith(`${repository} `) && !one.includes(':'))
    if (names.length === 0) refuse(response, 404, 'NAME_UNKNOWN', 'repository name not known to registry')
    else response.end(JSON.stringify({ tags: names.map(one => one.slice(repository.length + 1)) }))
  } else if (kind === 'manifests' && found)
    response
      .writeHead(200, { 'content-type': found.type, 'content-length': found.bytes.length })
      .end(found.bytes)
  else if (kind === 'blobs' && blob) giveBlob(request, response, blob)
  else refuse(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown')
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
