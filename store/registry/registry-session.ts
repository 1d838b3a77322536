/**
 * Requests to one registry until they have an answer: the way in, tokens, redirects, further tries
 * (spec/registry.md#requests).
 */
import { setTimeout as wait } from 'node:timers/promises'
import { Authorization } from './authorization.ts'
import { readRefusal } from './bounded-body.ts'
import { type CredentialSettings, findCredentials } from './credentials.ts'
import { isLoopback, leadsInside } from './near-hosts.ts'
import { apiHost, formatRepository, hostUrl, type ImageReference } from './reference.ts'
import { denied, invalidAnswer, ONLY_HERE, shownStart, unknownThere, unreachable } from './registry-errors.ts'
import { type Answer, type Ask, ConnectionFailed, Transport, unreachableBy } from './transport.ts'

export interface RegistrySettings extends CredentialSettings {
  /** Files of `--tls-ca`. */
  tlsCa: readonly string[]
  /** Ends all requests, as if the registry did not answer. */
  signal?: AbortSignal
  /** Waits between tries; tests do not. */
  pause?: (milliseconds: number) => Promise<unknown>
}

export interface RegistryRequest extends Partial<Ask> {
  /** Path behind the host with its query, or an address that the registry has named. */
  path: string
  /** Do not try it again: its address is good for one try. A 401 is answered all the same. */
  isOnce?: boolean
  /** Thing that is asked for, for messages: `manifest sha256:… of repository a/b`. */
  what: string
  /** Statuses that are answers and no errors. */
  expected: readonly number[]
}

const MOST_TRIES = 5
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 60_000
const MOST_REDIRECTS = 5
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308]
const BUSY: readonly number[] = [408, 429, 500, 502, 503, 504]

/** Digests are those of the bytes as they are, so nothing may be packed on the way. */
const ALWAYS = { 'accept-encoding': 'identity', 'user-agent': 'strata' }

/** One registry, as one account, for one repository. */
export class RegistrySession {
  /** Host as users write it. */
  readonly host: string
  readonly #transport: Transport
  readonly #authorization: Authorization
  readonly #settings: RegistrySettings
  readonly #insecure: boolean
  readonly #scope: string
  #origin: Promise<string> | undefined

  /** @param place with an empty repository: the registry itself, to log in */
  constructor(
    place: Pick<ImageReference, 'host' | 'repository'> & { insecure: boolean },
    settings: RegistrySettings,
    { actions, credentials = findCredentials(place, settings) }: SessionOptions
  ) {
    this.host = place.host
    this.#settings = settings
    this.#insecure = place.insecure
    this.#scope = place.repository === '' ? '' : `repository:${place.repository}:${actions}`
    this.#transport = new Transport(settings, settings.signal)
    this.#authorization = new Authorization(this.#transport, {
      registry: place.host,
      credentials: credentials ?? undefined,
      insecure: place.insecure
    })
  }

  /** @throws StrataError REGISTRY_UNREACHABLE, REGISTRY_DENIED, REGISTRY_UNKNOWN, REGISTRY_INVALID */
  async send(request: RegistryRequest): Promise<Answer> {
    const origin = await this.#findOrigin()
    const url = this.#addressOf(request.path, origin)
    const most = request.isOnce ? 1 : MOST_TRIES
    for (let tries = 1; ; tries++) {
      const answer = await this.#sendOnce(url, request, tries < most)
      if (answer === undefined) {
        await this.pause(pauseAfter(tries))
        continue
      }
      if (request.expected.includes(answer.status)) return answer
      if (!BUSY.includes(answer.status) || tries === most) throw await this.#refused(answer, request)
      answer.drop()
      await this.pause(askedPause(answer) ?? pauseAfter(tries))
    }
  }

  /** An address of a registry that stands behind a proxy may say http where https is spoken. */
  #addressOf(path: string, origin: string): URL {
    // A path may begin with two slashes, which would be a host.
    const url = addressIn(this.host, path.startsWith('/') ? `${origin}${path}` : path)
    const own = new URL(origin)
    if (url.host === own.host) url.protocol = own.protocol
    if (url.protocol === own.protocol || url.protocol === 'https:') return this.#outside(url)
    throw invalidAnswer(this.host, `it sends to "${shownStart(path)}", from https to something less safe`)
  }

  /** A short time, longer each time, before something is tried again. */
  pause(milliseconds: number): Promise<unknown> {
    const { pause, signal } = this.#settings
    if (pause !== undefined) return pause(milliseconds)
    // The next try finds out that there is none.
    return wait(milliseconds, undefined, signal && { signal }).catch(() => {})
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  /**
   * https; for this machine itself, and where settings allow it, http if no TLS is spoken there.
   * @throws StrataError REGISTRY_UNREACHABLE, REFERENCE_NAME
   */
  #findOrigin(): Promise<string> {
    this.#origin ??= this.#probeOrigin()
    return this.#origin
  }

  async #probeOrigin(): Promise<string> {
    const host = apiHost(this.host)
    const secure = new URL('/v2/', hostUrl(this.host))
    if (!this.#insecure && !isLoopback(secure.hostname)) return secure.origin
    try {
      // It goes there without an account, so whose certificate it is does not matter yet.
      const answer = await this.#transport.send(secure, { method: 'GET', headers: {} }, true)
      answer.drop()
      return secure.origin
    } catch (error) {
      if (!(error instanceof ConnectionFailed)) throw error
      if (error.isPlainHttp || (error.isTemporary && error.code !== 'EAI_AGAIN')) return `http://${host}`
      throw unreachableBy(secure, error)
    }
  }

  /** @returns undefined for a failure after which another try makes sense */
  async #sendOnce(url: URL, request: RegistryRequest, mayFail: boolean): Promise<Answer | undefined> {
    try {
      const { answer: first, sent } = await this.#followed(url, request)
      if (first.status !== 401) return first
      if (first.url.origin !== (await this.#findOrigin())) throw await this.#strange(first, request)
      first.drop()
      await this.#authorization.answer(first, this.#scope, sent)
      const { answer } = await this.#followed(url, request)
      if (answer.status !== 401) return answer
      throw denied(this.host, await this.#denial(answer, request), { asked: request.what })
    } catch (error) {
      if (!(error instanceof ConnectionFailed)) throw error
      if (!error.isTemporary || !mayFail) throw unreachableBy(url, error)
      return undefined
    }
  }

  /**
   * Follows redirects by hand: an account is not told to another origin, and nothing goes from https to http.
   * @returns the last answer, and the account that was shown for it
   */
  async #followed(
    first: URL,
    { method = 'GET', headers = {}, body, patienceMs }: RegistryRequest
  ): Promise<{ answer: Answer; sent: string | undefined }> {
    const origin = await this.#findOrigin()
    let url = first
    for (let redirects = 0; ; redirects++) {
      const authorization = url.origin === origin ? this.#authorization.headerFor(this.#scope) : undefined
      const sent = { ...ALWAYS, ...headers, ...(authorization && { authorization }) }
      const ask = { method, headers: sent, body, ...(patienceMs && { patienceMs }) }
      const answer = await this.#transport.send(url, ask, this.#isInsecure(url))
      const isRead = method === 'GET' || method === 'HEAD'
      if (!isRead || !REDIRECTS.includes(answer.status)) return { answer, sent: authorization }
      answer.drop()
      if (redirects === MOST_REDIRECTS)
        throw invalidAnswer(
          this.host,
          `it sends from one address to the next, more than ${MOST_REDIRECTS} times`
        )
      url = this.#redirected(url, answer.header('location') ?? '')
    }
  }

  #isInsecure(url: URL): boolean {
    return this.#insecure && url.host === apiHost(this.host)
  }

  #redirected(from: URL, location: string): URL {
    const to = addressIn(this.host, location, from)
    if (to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:')) {
      to.username = ''
      to.password = ''
      return this.#outside(to)
    }
    throw invalidAnswer(this.host, `it sends to "${shownStart(location)}", from https to something less safe`)
  }

  /** What only this machine can reach is not asked because a registry elsewhere says so. */
  #outside(to: URL): URL {
    if (!leadsInside(hostUrl(this.host).hostname, to.hostname)) return to
    throw invalidAnswer(this.host, `it sends to ${to.host}, which ${ONLY_HERE}`)
  }

  /** Another origin may not name a realm: the account is the registry's. */
  async #strange(answer: Answer, { what }: RegistryRequest): Promise<Error> {
    answer.drop()
    return denied(this.host, `${what}: it sends to ${answer.url.host}, which wants a login of its own`)
  }

  async #denial(answer: Answer, { what }: RegistryRequest): Promise<string> {
    const challenge = /error="([^"]*)"/.exec(answer.header('www-authenticate') ?? '')?.[1]
    const words = (await readRefusal(answer)) || challenge || 'unauthorized'
    if (this.#scope === '') return `it does not take your name and password: ${words}`
    return `${what} is refused to you: ${words}`
  }

  async #refused(answer: Answer, { what }: RegistryRequest): Promise<Error> {
    const { status } = answer
    const words = await readRefusal(answer)
    const said = words === '' ? `status ${status}` : `status ${status}, ${words}`
    if (status === 403) return denied(this.host, `${what} is refused: ${said}`, { asked: what })
    if (status === 404) return unknownThere(this.host, `${what} is not there: ${said}`, { asked: what })
    if (BUSY.includes(status))
      return unreachable(this.host, `${what}: it is busy or broken, after several tries: ${said}`)
    return invalidAnswer(this.host, `${what}: ${said}`, { asked: what })
  }
}

export interface SessionOptions {
  actions: 'pull' | 'pull,push'
  /** By default those of the user's files; `null` asks as nobody. */
  credentials?: ReturnType<typeof findCredentials> | null
}

/** An address that a registry names. @throws StrataError REGISTRY_INVALID */
export function addressIn(host: string, text: string, from?: URL): URL {
  try {
    return new URL(text, from)
  } catch (cause) {
    throw invalidAnswer(host, `it sends to "${shownStart(text)}", which is not an address`, {}, cause)
  }
}

/** Twice as long each time; a random part keeps many nodes of a job apart. */
export const pauseAfter = (tries: number): number => FIRST_PAUSE_MS * 2 ** (tries - 1) * (0.5 + Math.random())

/** The header Retry-After: seconds, or a date. */
function askedPause(answer: Answer): number | undefined {
  const text = answer.header('retry-after')?.trim()
  if (text === undefined) return undefined
  const milliseconds = /^[0-9]+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  if (Number.isNaN(milliseconds)) return undefined
  return Math.min(LONGEST_PAUSE_MS, Math.max(0, milliseconds))
}

/** For messages: the repository with its registry. */
export const nameOf = (place: Pick<ImageReference, 'host' | 'repository'>): string => formatRepository(place)
