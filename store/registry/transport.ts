/**
 * Single HTTP requests: connections, certificates, proxies, time limits. Nothing is repeated here, and no redirect is
 * followed. undici is Node's own client; it takes 0.03 s to load, so only what talks to registries imports this file.
 */
import type { Readable } from 'node:stream'
import type { SecureContext } from 'node:tls'
import { Agent, type Dispatcher, ProxyAgent } from 'undici'
import { dropUndefined } from '../values/index.ts'
import { proxyFor } from './proxy.ts'
import { invalidAnswer, shownStart, unreachable } from './registry-errors.ts'
import { type TrustSettings, trustFor } from './trust.ts'

export interface Ask {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  headers: Record<string, string>
  /** A function makes the bytes anew for each try; their number is in the header content-length. */
  body?: string | Uint8Array | (() => AsyncIterable<Uint8Array>)
  /** Until the headers of the answer, for a registry that has much to do first. */
  patienceMs?: number
}

export interface Answer {
  url: URL
  status: number
  /** The value of a header by its name in lower case; several values are joined by `, `. */
  header(name: string): string | undefined
  /** To be read to its end, or left by `return`, which ends the connection. */
  body: AsyncIterable<Uint8Array>
  /** Leaves the body unread, without waiting for its rest. */
  drop(): void
  /** Ends the connection, so that whoever reads the body gets ConnectionFailed. */
  cut(): void
}

/** A failure of the connection, which another try may not meet. */
export class ConnectionFailed extends Error {
  readonly code: string
  /** @param proxy through which the connection was to go */
  constructor(cause: Error, proxy?: URL) {
    const code = codeOf(cause)
    const isProxys = proxy !== undefined && BEFORE_A_TUNNEL.has(code)
    super(`${isProxys ? `the proxy ${proxy.host} that leads to it: ` : ''}${wordsOf(cause)}`, { cause })
    this.code = code
  }

  /** False for what will be the same in a second: a name that is not known, a certificate that is not trusted. */
  get isTemporary(): boolean {
    return TEMPORARY.has(this.code)
  }

  /** True if the other side answered the beginning of TLS by something else. */
  get isPlainHttp(): boolean {
    return this.code === 'EPROTO' || this.code.startsWith('ERR_SSL_')
  }
}

const TEMPORARY = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
])

/** With a proxy, they are about the proxy: the registry is reached by the proxy alone. */
const BEFORE_A_TUNNEL = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'])

const WORDS: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there (connection refused)',
  ENOTFOUND: 'its name is not known (DNS)',
  EAI_AGAIN: 'its name cannot be looked up now (DNS)',
  UND_ERR_CONNECT_TIMEOUT: 'no connection within the time limit',
  UND_ERR_HEADERS_TIMEOUT: 'no answer within the time limit',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped coming',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_ABORTED: 'it takes longer than there is time for',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not signed by an authority that this machine trusts',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not signed by an authority that this machine trusts',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not signed by an authority that this machine trusts',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not signed by an authority that this machine trusts',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host'
}

const AUTHORITY = 'not signed by an authority'

const codeOf = (error: Error): string =>
  (error as NodeJS.ErrnoException).code ?? (error.cause instanceof Error ? codeOf(error.cause) : '')

const wordsOf = (error: Error): string => WORDS[codeOf(error)] ?? shownStart(error.message)

/** Seconds until headers, and between two pieces of a body. */
const PATIENCE_MS = 60_000
const CONNECT_MS = 15_000
/** What is read of a body that nobody wants. */
const MOST_DRAINED_BYTES = 64 << 10
const MOST_DRAINED_MS = 1000
const MOST_HEADER_BYTES = 32 << 10

export class Transport {
  readonly #settings: TrustSettings
  readonly #signal: AbortSignal | undefined
  readonly #dispatchers = new Map<string, Dispatcher>()

  /** @param signal ends all requests */
  constructor(settings: TrustSettings, signal?: AbortSignal) {
    this.#settings = settings
    this.#signal = signal
  }

  /**
   * @param insecure accept a certificate that cannot be checked
   * @throws ConnectionFailed; StrataError REGISTRY_INVALID, SETTINGS_INVALID, IO
   */
  async send(
    url: URL,
    { method, headers, body, patienceMs = PATIENCE_MS }: Ask,
    insecure = false
  ): Promise<Answer> {
    const dispatcher = this.#dispatcherFor(url, insecure)
    const pieces = typeof body === 'function' ? body()[Symbol.asyncIterator]() : undefined
    try {
      const answer = await dispatcher.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method,
        headers,
        headersTimeout: patienceMs,
        signal: this.#signal,
        body: pieces === undefined ? (body as string | Uint8Array | undefined) : iterable(pieces)
      })
      return {
        url,
        status: answer.statusCode,
        header: name => [answer.headers[name]].flat().join(', ') || undefined,
        body: piecesOf(answer.body),
        drop: () => drain(answer.body, answer.headers['content-length'] === '0'),
        cut: () => cut(answer.body)
      }
    } catch (cause) {
      // undici leaves it where it stands, with the file that it reads.
      void pieces?.return?.()?.catch(() => {})
      throw failureOf(url, cause, proxyFor(url, this.#settings.environment))
    }
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map(dispatcher => dispatcher.destroy()))
  }

  #dispatcherFor(url: URL, insecure: boolean): Dispatcher {
    const proxy = proxyFor(url, this.#settings.environment)
    const key = [url.origin, insecure, proxy?.href].join(' ')
    const known = this.#dispatchers.get(key)
    if (known !== undefined) return known
    const secureContext =
      url.protocol === 'https:' ? trustFor(url.host, this.#settings, { insecure }) : undefined
    const made = makeDispatcher({ secureContext, insecure, proxy, settings: this.#settings })
    this.#dispatchers.set(key, made)
    return made
  }
}

interface Connecting {
  secureContext: SecureContext | undefined
  insecure: boolean
  proxy: URL | undefined
  settings: TrustSettings
}

const LIMITS = {
  headersTimeout: PATIENCE_MS,
  bodyTimeout: PATIENCE_MS,
  maxHeaderSize: MOST_HEADER_BYTES,
  connections: 8
}

function makeDispatcher({ secureContext, insecure, proxy, settings }: Connecting): Dispatcher {
  const tls = dropUndefined({ secureContext, rejectUnauthorized: insecure ? false : undefined })
  if (proxy === undefined) return new Agent({ ...LIMITS, connect: { ...tls, timeout: CONNECT_MS } })
  const { username, password } = proxy
  const account = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return new ProxyAgent({
    ...LIMITS,
    uri: proxy.origin,
    ...(username !== '' && { token: `Basic ${Buffer.from(account).toString('base64')}` }),
    requestTls: { ...tls, timeout: CONNECT_MS },
    ...(proxy.protocol === 'https:' && {
      proxyTls: { secureContext: trustFor(proxy.host, settings, { insecure: false }) }
    })
  })
}

/**
 * undici sends what can be iterated, though its types name streams alone. It asks for a piece when the socket has drained,
 * so the buffer of the one before can be used again; a stream around it would read ahead.
 */
const iterable = (pieces: AsyncIterator<Uint8Array>): Readable =>
  ({ [Symbol.asyncIterator]: () => pieces }) as unknown as Readable

/**
 * A short rest is read in passing, so that the connection serves the next request. One that is long, or comes slowly, ends
 * the connection: later requests wait for one of few connections, and without a time limit.
 */
function drain(body: Dispatcher.ResponseData['body'], isEmpty: boolean): void {
  body.on('error', () => {})
  if (isEmpty) return void body.resume() // without a timer: a push gets two such answers for each blob
  body.dump({ limit: MOST_DRAINED_BYTES, signal: AbortSignal.timeout(MOST_DRAINED_MS) }).catch(() => {})
}

function cut(body: Dispatcher.ResponseData['body']): void {
  body.on('error', () => {})
  body.destroy(Object.assign(new Error('cut'), { code: 'UND_ERR_BODY_TIMEOUT' }))
}

/**
 * Each piece as it comes. `for await` of the stream itself would join pieces that wait, in memory that is new each time, and
 * V8 collects garbage for each 20 MB of it: that was a tenth of a pull.
 */
async function* piecesOf(body: Readable): AsyncGenerator<Uint8Array> {
  const waiting: Uint8Array[] = []
  let end: { cause?: Error } | undefined
  let wake = () => {}
  const finish = (cause?: Error) => {
    end ??= cause === undefined ? {} : { cause }
    wake()
  }
  body.on('data', (piece: Uint8Array) => {
    waiting.push(piece)
    body.pause()
    wake()
  })
  body.on('end', () => finish())
  body.on('error', finish)
  body.on('close', () => finish(Object.assign(new Error('closed'), { code: 'UND_ERR_SOCKET' })))
  try {
    for (;;) {
      const piece = waiting.shift()
      if (piece !== undefined) yield piece
      else if (end?.cause !== undefined) throw new ConnectionFailed(end.cause)
      else if (end !== undefined) return
      else
        await new Promise<void>(resolve => {
          wake = resolve
          body.resume()
        })
    }
  } finally {
    body.destroy()
  }
}

function failureOf(url: URL, cause: unknown, proxy: URL | undefined): unknown {
  const code = codeOf(cause as Error)
  // undici 7.30 gives errors of its parser a name, and none of the codes that it has for them.
  const isParsers = (cause as Error).name === 'HTTPParserError'
  if (isParsers || code === 'UND_ERR_HEADERS_OVERFLOW') {
    const fault = code || shownStart((cause as Error).message)
    return invalidAnswer(url.host, `the headers of its answer break the rules of HTTP (${fault})`, {}, cause)
  }
  if (cause instanceof Error && code !== '') return new ConnectionFailed(cause, proxy)
  return cause
}

/** The error for users, when no further try is made. */
export function unreachableBy({ host }: URL, failure: ConnectionFailed): Error {
  const hint = failure.message.includes(AUTHORITY)
    ? `--tls-ca FILE names the authority for one command; as ~/.config/containers/certs.d/${host}/ca.crt its file is found by all`
    : undefined
  return unreachable(host, failure.message, failure, hint)
}
