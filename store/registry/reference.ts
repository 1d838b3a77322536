/** Names of images in registries, as podman and docker read them (spec/registry.md#references). */
import { pathFromText, StrataError, showPath } from '../values/index.ts'

export interface ImageReference {
  /** Host with its port, as users write it: `docker.io`, `localhost:5000`. */
  host: string
  /** Path without the host: `library/debian`. */
  repository: string
  /** Always there, unless only a digest was named. */
  tag?: string
  /** `sha256:` or `sha512:` and hexadecimal digits. */
  digest?: string
}

/** Both stand for the same: an image in a registry, never a folder. */
const SCHEME = /^(?:docker|oci):\/\//

export const isImageAddress = (text: string): boolean => SCHEME.test(text)

const HUB = 'docker.io'
/** The host that answers for docker.io; older tools write its credentials under the second name. */
const HUB_HOSTS: readonly string[] = [HUB, 'index.docker.io', 'registry-1.docker.io']

/** Host to which requests for `host` go. */
export const apiHost = (host: string): string => (host === HUB ? 'registry-1.docker.io' : host)

/**
 * Where requests for a host go.
 * @throws StrataError REFERENCE_NAME for what no request can go to: numbers that are not an address, such as 1.2.3.256
 */
export function hostUrl(host: string): URL {
  const text = `https://${apiHost(host)}`
  if (URL.canParse(text)) return new URL(text)
  throw new StrataError('REFERENCE_NAME', {
    message: `host ${quoteStart(host)} is neither a name nor an address: no request can go there`,
    facts: { reference: quoteStart(host) },
    hint: 'wanted a name such as registry.example.org, or an address such as 192.0.2.7 or [2001:db8::7]'
  })
}

/** One name for the names of Docker Hub, which users and tools spell in three ways. */
export const usualHost = (host: string): string => (HUB_HOSTS.includes(host) ? HUB : host)

const HOST = /^(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?$/
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/
const LONGEST_NAME = 255

/**
 * @param typed `docker://debian:12`, `oci://host:5000/a/b@sha256:…`
 * @throws StrataError REFERENCE_NAME
 */
export function parseImageAddress(typed: string): ImageReference {
  const { host, rest } = splitHost(typed)
  const { repository: path, tag, digest } = splitVersion(rest)
  const repository = host === HUB && !path.includes('/') ? `library/${path}` : path
  const fault =
    hostFault(host) ??
    repositoryFault(host, repository) ??
    (tag !== undefined && !TAG.test(tag)
      ? 'has a tag that is not 1 to 128 letters, digits and . _ -'
      : undefined) ??
    (digest !== undefined && !DIGEST.test(digest)
      ? 'has a digest that is not sha256: and 64 lower case hexadecimal digits'
      : undefined)
  if (fault !== undefined) throw badReference(typed, fault)
  if (digest !== undefined) return { host, repository, ...(tag !== undefined && { tag }), digest }
  return { host, repository, tag: tag ?? 'latest' }
}

/** @throws StrataError REFERENCE_NAME for an `oci://` without a host: only docker:// has a registry of its own */
function splitHost(typed: string): { host: string; rest: string } {
  const name = typed.replace(SCHEME, '')
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  const isHost = /[.:A-Z[]/.test(first) || first === 'localhost'
  if (isHost) return { host: usualHost(first), rest: name.slice(slash + 1) }
  if (typed.startsWith('oci://'))
    throw badReference(typed, 'has no host: a first part with a dot or a port, or localhost')
  return { host: HUB, rest: name }
}

function splitVersion(rest: string): { repository: string; tag?: string; digest?: string } {
  const at = rest.indexOf('@')
  const digest = at < 0 ? undefined : rest.slice(at + 1)
  const named = at < 0 ? rest : rest.slice(0, at)
  const colon = named.lastIndexOf(':')
  const hasTag = colon > named.lastIndexOf('/')
  return {
    repository: hasTag ? named.slice(0, colon) : named,
    ...(hasTag && { tag: named.slice(colon + 1) }),
    ...(digest !== undefined && { digest })
  }
}

/** True for a text that can be a repository, without its host. */
export const isRepositoryName = (text: string): boolean =>
  text.length <= LONGEST_NAME && text.split('/').every(component => COMPONENT.test(component))

export const isTag = (text: string): boolean => TAG.test(text)

export const isDigest = (text: string): boolean => DIGEST.test(text)

/** The reason why a text is not a host with an optional port; undefined if it is one. */
export function hostFault(host: string): string | undefined {
  const port = /:([0-9]+)$/.exec(host)?.[1]
  const hasEdge = host.split(/[.:]/).some(label => label.startsWith('-') || label.endsWith('-'))
  if (HOST.test(host) && !hasEdge && Number(port ?? 1) > 0 && Number(port ?? 1) < 65_536) return undefined
  return 'has a host that is not a name or address with an optional port'
}

function repositoryFault(host: string, repository: string): string | undefined {
  if (repository === '') return 'names no repository'
  if (!repository.split('/').every(component => COMPONENT.test(component)))
    return 'has a repository with other parts than lower case letters and digits with single . _ - between them'
  if (host.length + 1 + repository.length > LONGEST_NAME)
    return `has a name of ${host.length + 1 + repository.length} characters, wanted at most ${LONGEST_NAME}`
  return undefined
}

const badReference = (typed: string, fault: string): StrataError =>
  new StrataError('REFERENCE_NAME', {
    message: `${quoteStart(typed)} ${fault}`,
    facts: { reference: quoteStart(typed) },
    hint: 'wanted docker://HOST/REPOSITORY:TAG or docker://HOST/REPOSITORY@sha256:…, such as docker://docker.io/library/debian:12'
  })

const quoteStart = (text: string): string => `"${showPath(pathFromText(text.slice(0, 300)))}"`

/** Host and repository, by which rights are given. A file in the place of a host (`oci-archive:FILE`) has names behind colons. */
export function formatRepository({ host, repository }: Pick<ImageReference, 'host' | 'repository'>): string {
  if (repository === '') return host
  return `${host}${host.startsWith('oci-archive:') ? ':' : '/'}${repository}`
}

/** `docker.io/library/debian:12@sha256:…`. */
export const formatReference = ({ tag, digest, ...name }: ImageReference): string =>
  `${formatRepository(name)}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
