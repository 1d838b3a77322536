/**
 * A server of tokens as registries with Bearer authentication use one: `node token-server.js KEY CERT`, both in PEM. It
 * knows the user `me` with the password `secret`, gives pulls of `open/…` to everybody, `closed/…` to nobody and
 * everything else to `me`. Tokens of `stale/…` have ended already. Prints its port.
 */
import { sign, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const [keyFile, certificateFile] = process.argv.slice(2)
const key = readFileSync(keyFile, 'utf8')
const x5c = [new X509Certificate(readFileSync(certificateFile)).raw.toString('base64')]
const KNOWN = `Basic ${Buffer.from('me:secret').toString('base64')}`

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function token(claims: object): string {
  const text = `${encode({ alg: 'ES256', typ: 'JWT', x5c })}.${encode(claims)}`
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}

const server = createServer((request, response) => {
  const url = new URL(request.url!, 'http://localhost')
  const { authorization } = request.headers
  if (authorization !== undefined && authorization !== KNOWN) {
    response.writeHead(401).end('{}')
    return
  }
  const isKnown = authorization === KNOWN
  const access = url.searchParams.getAll('scope').flatMap(scope => {
    const [type, name, actions] = scope.split(':')
    const wanted = actions.split(',')
    const given = name.startsWith('closed/')
      ? []
      : wanted.filter(action => isKnown || (action === 'pull' && name.startsWith('open/')))
    return given.length === 0 ? [] : [{ type, name, actions: given }]
  })
  const isStale = access.some(({ name }) => name.startsWith('stale/'))
  const now = Math.floor(Date.now() / 1000)
  const life = isStale ? -300 : 300
  const claims = {
    iss: 'test',
    sub: isKnown ? 'me' : '',
    aud: url.searchParams.get('service'),
    exp: now + life,
    nbf: now - 600,
    iat: now - 600,
    jti: String(Math.random()),
    access
  }
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ token: token(claims), expires_in: 300 }))
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as { port: number }).port))
