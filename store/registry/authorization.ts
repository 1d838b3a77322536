/**
 * How one registry wants to be asked, and as whom: Basic, or a token for each scope from the realm that it names
 * (distribution's token specification). Credentials go to the registry itself and to its realm, and nowhere else.
 */
import { isMap } from '../values/index.ts'
import type { Credentials } from './auth-file.ts'
import { readBounded } from './bounded-body.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { isLoopback, leadsInside } from './near-hosts.ts'
import { hostUrl } from './reference.ts'
import { denied, invalidAnswer, ONLY_HERE } from './registry-errors.ts'
import { type Answer, ConnectionFailed, type Transport, unreachableBy } from './transport.ts'

const MOST_TOKEN_BYTES = 1 << 20
/** If the realm does not say how long its token lives. */
const USUAL_LIFE_SECONDS = 60
/** A token is replaced before its end, because clocks differ and requests take time. */
const USED_PART = 0.8

interface Token {
  header: string
  endsAtMs: number
}

export interface Account {
  /** Host of the registry as users name it. */
  registry: string
  credentials: Credentials | undefined
  /** True if settings allow http, or a certificate that cannot be checked. */
  insecure: boolean
}

export class Authorization {
  readonly #transport: Transport
  readonly #account: Account
  readonly #tokens = new Map<string, Token>()
  #basic: string | undefined
  /** By scope: requests that are refused side by side ask once. */
  readonly #answering = new Map<string, Promise<void>>()

  constructor(transport: Transport, account: Account) {
    this.#transport = transport
    this.#account = account
  }

  /** The header for a scope, if one is known; the first request goes without and learns what is wanted. */
  headerFor(scope: string): string | undefined {
    const token = this.#tokens.get(scope)
    return token !== undefined && token.endsAtMs > Date.now() ? token.header : this.#basic
  }

  /**
   * Does what a 401 asks for. A token that the registry did not take is replaced.
   * @param scope wanted if the registry names none
   * @param sent the header that was refused; another request may have found a better one since
   * @throws StrataError REGISTRY_DENIED, REGISTRY_UNREACHABLE, REGISTRY_INVALID
   */
  async answer(refused: Answer, scope: string, sent: string | undefined): Promise<void> {
    const current = this.headerFor(scope)
    if (current !== undefined && current !== sent) return
    const work = this.#answering.get(scope) ?? this.#learn(refused, scope)
    this.#answering.set(scope, work)
    await work.finally(() => this.#answering.delete(scope))
  }

  async #learn(refused: Answer, scope: string): Promise<void> {
    const challenges = parseChallenges(refused.header('www-authenticate') ?? '')
    const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'))
    if (bearer !== undefined) {
      this.#tokens.set(scope, await this.#fetchToken(bearer, scope))
      return
    }
    const { registry, credentials } = this.#account
    if (!challenges.some(({ scheme }) => scheme === 'basic'))
      throw denied(registry, 'it asks for a login, but in no way that is known (Basic or Bearer)')
    if (credentials === undefined || credentials.username === '')
      throw denied(registry, 'it asks for a login, and you are not logged in')
    if (this.#basic !== undefined) throw denied(registry, 'it does not take your name and password')
    this.#basic = basicHeader(credentials)
  }

  async #fetchToken({ parameters }: Challenge, scope: string): Promise<Token> {
    const { credentials } = this.#account
    const realm = this.#realmOf(parameters.get('realm')!)
    const service = parameters.get('service')
    const scopes = (parameters.get('scope') ?? scope).split(/\s+/).filter(one => one !== '')
    const asked = { realm, service, scopes }
    const answer = await this.#askRealm(asked, credentials)
    const isRefused = answer.status === 401 || answer.status === 403
    if (isRefused && credentials !== undefined && isPullOnly(scope)) {
      // An old login must not stand in the way of what everybody may read.
      answer.drop()
      return this.#readToken(realm, await this.#askRealm(asked, undefined))
    }
    return this.#readToken(realm, answer)
  }

  #realmOf(text: string): URL {
    const { registry, insecure } = this.#account
    const realm = URL.canParse(text) ? new URL(text) : undefined
    if (realm !== undefined) {
      if (leadsInside(hostUrl(registry).hostname, realm.hostname))
        throw invalidAnswer(registry, `it sends logins to ${realm.host}, which ${ONLY_HERE}`)
      const mayBeHttp = isLoopback(realm.hostname) || (insecure && realm.host === registry)
      if (realm.protocol === 'https:' || (realm.protocol === 'http:' && mayBeHttp)) return realm
    }
    throw invalidAnswer(registry, `it sends logins to ${text}, which is not an address with https`)
  }

  async #askRealm(
    { realm, service, scopes }: { realm: URL; service: string | undefined; scopes: string[] },
    credentials: Credentials | undefined
  ): Promise<Answer> {
    const headers: Record<string, string> = { accept: 'application/json' }
    try {
      if (credentials?.identityToken !== undefined) {
        const form = new URLSearchParams({
          grant_type: 'refresh_token',
          refresh_token: credentials.identityToken,
          client_id: 'strata',
          ...(service !== undefined && { service }),
          scope: scopes.join(' ')
        })
        headers['content-type'] = 'application/x-www-form-urlencoded'
        return await this.#transport.send(realm, { method: 'POST', headers, body: form.toString() })
      }
      const url = new URL(realm)
      if (service !== undefined) url.searchParams.set('service', service)
      for (const scope of scopes) url.searchParams.append('scope', scope)
      if (credentials !== undefined) {
        url.searchParams.set('account', credentials.username)
        headers.authorization = basicHeader(credentials)
      }
      return await this.#transport.send(url, { method: 'GET', headers })
    } catch (error) {
      throw error instanceof ConnectionFailed ? unreachableBy(realm, error) : error
    }
  }

  async #readToken(realm: URL, answer: Answer): Promise<Token> {
    const { registry, credentials } = this.#account
    if (answer.status === 401 || answer.status === 403) {
      answer.drop()
      const why =
        credentials === undefined
          ? 'you are not logged in'
          : 'your name or password is wrong, or your account lacks the right'
      throw denied(registry, `${realm.host} gives no token (status ${answer.status}): ${why}`)
    }
    const bytes = await readBounded(answer, MOST_TOKEN_BYTES, `the token of ${realm.host}`)
    if (answer.status !== 200)
      throw invalidAnswer(registry, `${realm.host} answered ${answer.status} to the wish for a token`)
    return tokenIn(bytes, () => invalidAnswer(registry, `the answer of ${realm.host} holds no token`))
  }
}

/** False for a login, which asks for nothing. */
const isPullOnly = (scope: string): boolean => /^repository:[^\s]*:pull$/.test(scope)

function tokenIn(bytes: Buffer, refuse: () => Error): Token {
  let answer: unknown
  try {
    answer = JSON.parse(bytes.toString('utf8'))
  } catch {}
  if (!isMap(answer)) throw refuse()
  const { token = answer.access_token, expires_in: seconds } = answer
  // A header has no blanks or control characters, whoever sends them.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) throw refuse()
  const lifeSeconds = typeof seconds === 'number' && seconds > 0 ? seconds : USUAL_LIFE_SECONDS
  return { header: `Bearer ${token}`, endsAtMs: Date.now() + lifeSeconds * USED_PART * 1000 }
}

const basicHeader = ({ username, password }: Credentials): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
