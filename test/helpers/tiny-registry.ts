/**
 * A registry in memory that takes every login and keeps what is put there: `node tiny-registry.js`. Prints its port. With the
 * word `forgets-tags` it keeps manifests by their digests alone.
 */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const forgetsTags = process.argv[2] === 'forgets-tags'
const kept = new Map<string, { bytes: Buffer; type: string }>()

const server = createServer(async (request, response) => {
  const { method, headers } = request
  const url = new URL(request.url ?? '', 'http://localhost')
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece)
  const found = kept.get(url.pathname)
  if (method === 'POST') response.writeHead(202, { location: `${url.pathname}session` }).end()
  else if (method === 'PUT') {
    const digest = url.searchParams.get('digest')
    const path = digest === null ? url.pathname : url.pathname.replace(/uploads\/session$/, digest)
    const file = { bytes: Buffer.concat(pieces), type: headers['content-type'] ?? '' }
    if (digest !== null || !forgetsTags) kept.set(path, file)
    const own = `sha256:${createHash('sha256').update(file.bytes).digest('hex')}`
    if (digest === null) kept.set(path.replace(/[^/]*$/, own), file)
    response.writeHead(201).end()
  } else if (url.pathname === '/v2/') response.end('{}')
  else if (found === undefined) response.writeHead(404).end('{}')
  else
    response
      .writeHead(200, { 'content-type': found.type, 'content-length': found.bytes.length })
      .end(found.bytes)
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
