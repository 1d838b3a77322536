/** Names of repositories and tags, as far as a registry tells them. Both lists come in pages. */
import { isMap, StrataError } from '../values/index.ts'
import { readBounded } from './bounded-body.ts'
import { formatRepository, type ImageReference, isRepositoryName, isTag } from './reference.ts'
import { ownPlace } from './registries-conf.ts'
import { invalidAnswer } from './registry-errors.ts'
import { RegistrySession, type RegistrySettings } from './registry-session.ts'
import { ConnectionFailed, unreachableBy } from './transport.ts'

type ListKey = 'repositories' | 'tags'

const PAGE_NAMES = 1000
const MOST_PAGES = 100
const MOST_PAGE_BYTES = 4 << 20
export const MOST_NAMES = 100_000

/**
 * Repositories of a registry.
 * @returns undefined if the registry does not tell them to this user
 * @throws StrataError REGISTRY_UNREACHABLE, REGISTRY_INVALID
 */
export async function listRepositories(
  host: string,
  settings: RegistrySettings
): Promise<string[] | undefined> {
  const { insecure } = ownPlace({ host, repository: 'x' }, settings.environment)
  const registry = { host, repository: '', insecure }
  try {
    const session = new RegistrySession(registry, settings, { actions: 'pull' })
    const list = listNames(session, registry, { path: '/v2/_catalog', key: 'repositories' })
    return await list.finally(() => session.close())
  } catch (error) {
    const isNotTold =
      error instanceof StrataError && ['REGISTRY_DENIED', 'REGISTRY_UNKNOWN'].includes(error.code)
    if (isNotTold) return undefined
    throw error
  }
}

/** All pages of a list. @throws StrataError REGISTRY_… */
export async function listNames(
  session: RegistrySession,
  place: Pick<ImageReference, 'host' | 'repository'>,
  { path: first, key }: { path: string; key: ListKey }
): Promise<string[]> {
  const what = `the list of ${key} of ${place.repository === '' ? place.host : formatRepository(place)}`
  const names: string[] = []
  let path: string | undefined = `${first}?n=${PAGE_NAMES}`
  for (let page = 0; path !== undefined; page++) {
    if (page === MOST_PAGES) throw invalidAnswer(place.host, `${what}: more than ${MOST_PAGES} pages`)
    const answer = await session.send({ path, what, expected: [200] })
    const bytes = await readBounded(answer, MOST_PAGE_BYTES, what).catch(error => {
      throw error instanceof ConnectionFailed ? unreachableBy(answer.url, error) : error
    })
    for (const name of namesIn(bytes, key, () => invalidAnswer(place.host, `${what}: not a list of names`)))
      names.push(name)
    if (names.length > MOST_NAMES) throw invalidAnswer(place.host, `${what}: more than ${MOST_NAMES} names`)
    path = nextPage(answer.header('link'), answer.url)
  }
  return names
}

/** Names that no registry may have are passed over: they would reach terminals, paths of requests and hashes. */
function namesIn(bytes: Buffer, key: ListKey, refuse: () => Error): string[] {
  let document: unknown
  try {
    document = JSON.parse(bytes.toString('utf8'))
  } catch {}
  const names = isMap(document) ? (document[key] ?? []) : undefined
  if (!Array.isArray(names) || !names.every(name => typeof name === 'string')) throw refuse()
  return names.filter(key === 'tags' ? isTag : isRepositoryName)
}

/** `</v2/_catalog?last=x>; rel="next"`; another registry is no next page. */
function nextPage(link: string | undefined, from: URL): string | undefined {
  const [to, ...about] = (link ?? '').split(/[<>]/, 3).slice(1)
  if (
    to === undefined ||
    !/^;rel="?next/.test(about.join('').replaceAll(/[ \t]/g, '')) ||
    !URL.canParse(to, from.href)
  )
    return undefined
  const url = new URL(to, from)
  return url.host === from.host ? `${url.pathname}${url.search}` : undefined
}
