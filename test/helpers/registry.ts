import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { scratch } from './scratch.ts'

/** Debian's `docker-registry` on a port of this machine, as other programs meet it. */
export interface RunningRegistry {
  pid: number
  /** `127.0.0.1:PORT`. */
  host: string
  /** Certificate of the authority that signed the registry's, if it speaks TLS. */
  authority: string
  /** The file that holds the bytes of a blob. @param digest `sha256:…` */
  fileOf(digest: string): string
  /** `GET /v2/a/b/manifests/1 200`, in their order, as the registry's own log tells. */
  requests(): string[]
  /** Runs the registry's own collector beside it. */
  collectGarbage(): void
  stop(): void
}

export interface RegistryOptions {
  tls?: boolean
  auth?: 'htpasswd' | 'token'
  /** Remember in memory which blobs there are, as Debian's own configuration does. */
  caches?: boolean
}

/** `me` with the password `secret`; bcrypt, which htpasswd of Apache would write. */
const HTPASSWD = 'me:$2b$04$kRGXHNiryiyBzJhtmqq./.7fi7AUklE6dsdaO9kNrOqwigEscwRZi\n'

const running: ChildProcess[] = []

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Ends the registries of this file, so that the process can end. */
export function stopRegistries(): void {
  for (const child of running.splice(0)) child.kill('SIGKILL')
}

export async function startRegistry({
  tls = false,
  auth,
  caches = false
}: RegistryOptions = {}): Promise<RunningRegistry> {
  const folder = scratch()
  const port = await freePort()
  const log = join(folder, 'log')
  const config = join(folder, 'config.yml')
  const lines = [
    'version: 0.1',
    'log: {level: info, formatter: text}',
    `storage: {filesystem: {rootdirectory: ${folder}/data}, delete: {enabled: true}${caches ? ', cache: {blobdescriptor: inmemory}' : ''}}`,
    ...(await authLines(folder, auth)),
    `http: {addr: "127.0.0.1:${port}"${tls ? `, tls: ${certificatesIn(folder)}` : ''}}`
  ]
  mkdirSync(join(folder, 'data'))
  writeFileSync(config, `${lines.join('\n')}\n`)
  const out = openSync(log, 'w')
  const child = spawn('docker-registry', ['serve', config], { stdio: ['ignore', out, out] })
  running.push(child)
  const host = `127.0.0.1:${port}`
  await listening(child, log)
  return {
    pid: child.pid!,
    host,
    authority: join(folder, 'ca.crt'),
    fileOf: digest =>
      join(folder, 'data/docker/registry/v2/blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data'),
    requests: () => requestsIn(readFileSync(log, 'utf8')),
    collectGarbage: () => execFileSync('docker-registry', ['garbage-collect', config], { stdio: 'ignore' }),
    stop: () => child.kill('SIGKILL')
  }
}

/** Waits for the registry's word that it listens. */
async function listening(child: ChildProcess, log: string): Promise<void> {
  for (let round = 0; round < 1000; round++) {
    if (readFileSync(log, 'utf8').includes('listening on')) return
    if (child.exitCode !== null) break
    await wait(20)
  }
  throw new Error(`docker-registry did not start: ${readFileSync(log, 'utf8')}`)
}

const freePort = (): Promise<number> =>
  new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

const requestsIn = (log: string): string[] =>
  [...log.matchAll(/"(GET|HEAD|PUT|POST|PATCH|DELETE) (\S+) HTTP\/[0-9.]+" ([0-9]+)/g)].map(
    ([, method, path, status]) => `${method} ${path} ${status}`
  )

async function authLines(folder: string, auth: RegistryOptions['auth']): Promise<string[]> {
  if (auth === undefined) return []
  if (auth === 'htpasswd') {
    writeFileSync(join(folder, 'htpasswd'), HTPASSWD)
    return [`auth: {htpasswd: {realm: test, path: ${folder}/htpasswd}}`]
  }
  makeCertificate(folder, 'token')
  const realm = `http://127.0.0.1:${await startTokenServer(folder)}/token`
  return [
    `auth: {token: {realm: "${realm}", service: test, issuer: test, rootcertbundle: ${folder}/token.crt}}`
  ]
}

function startTokenServer(folder: string): Promise<number> {
  const program = fileURLToPath(new URL('./token-server.js', import.meta.url))
  const files = [join(folder, 'token.key'), join(folder, 'token.crt')]
  const child = spawn(process.execPath, [program, ...files], { stdio: ['ignore', 'pipe', 'inherit'] })
  running.push(child)
  return new Promise(resolve => child.stdout!.once('data', text => resolve(Number(text))))
}

const openssl = (...words: string[]) => execFileSync('openssl', words, { stdio: 'ignore' })

const newKey = (path: string) => openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', path)

/** A key, and a certificate that is signed by itself. */
export function makeCertificate(folder: string, name: string): void {
  const [key, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)]
  newKey(key)
  openssl('req', '-x509', '-new', '-key', key, '-days', '30', '-subj', `/CN=${name}`, '-out', certificate)
}

/** A key, and a certificate by an authority of the folder. @param extension a line of openssl's settings */
export function signedBy(folder: string, authority: string, name: string, extension: string): void {
  const [key, request, certificate, settings] = ['key', 'csr', 'crt', 'cnf'].map(end =>
    join(folder, `${name}.${end}`)
  )
  newKey(key)
  openssl('req', '-new', '-key', key, '-subj', `/CN=${name}`, '-out', request)
  writeFileSync(settings, `${extension}\n`)
  const signer = ['crt', 'key'].map(end => join(folder, `${authority}.${end}`))
  const by = ['-CA', signer[0], '-CAkey', signer[1], '-CAcreateserial', '-days', '30', '-extfile', settings]
  openssl('x509', '-req', '-in', request, ...by, '-out', certificate)
}

/** An authority and a certificate of it for 127.0.0.1. */
function certificatesIn(folder: string): string {
  makeCertificate(folder, 'ca')
  signedBy(folder, 'ca', 'server', 'subjectAltName=IP:127.0.0.1,DNS:localhost')
  return `{certificate: ${join(folder, 'server.crt')}, key: ${join(folder, 'server.key')}}`
}
