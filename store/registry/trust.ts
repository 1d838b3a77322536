/** Certificates: those of the system, of a registry's folder in certs.d, and of `--tls-ca` (spec/registry.md#tls). */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls'
import { assertOwnWords } from '../disk/index.ts'
import { StrataError } from '../values/index.ts'
import { settingsInvalid } from './registry-errors.ts'
import { configFolders, readSettings } from './settings-files.ts'

export interface TrustSettings {
  /** Files of certificates that are trusted beside those of the system. */
  tlsCa: readonly string[]
  environment: NodeJS.ProcessEnv
}

/** Debian, SUSE; Fedora and Red Hat; Alpine. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem'
]

/**
 * The context for connections to a host. Reading the system's 140 authorities takes 45 ms of a processor, so this is
 * done once for each host, and not where the certificate is not checked.
 * @param host with its port, as in the reference
 * @throws StrataError SETTINGS_INVALID, IO
 */
export function trustFor(
  host: string,
  settings: TrustSettings,
  { insecure }: { insecure: boolean }
): SecureContext {
  const made = known.get(settings) ?? new Map<string, SecureContext>()
  known.set(settings, made)
  const key = `${host} ${insecure}`
  const context = made.get(key) ?? makeContext(host, settings, insecure)
  made.set(key, context)
  return context
}

/** A command has one object of settings, and asks several repositories of a host. */
const known = new WeakMap<TrustSettings, Map<string, SecureContext>>()

function makeContext(host: string, settings: TrustSettings, insecure: boolean): SecureContext {
  const { authorities, certificate, key } = ownOf(host, settings)
  const own = settings.tlsCa.map(file => readNamed(file))
  const ca = insecure ? [] : [...systemAuthorities(settings.environment), ...authorities, ...own]
  try {
    return createSecureContext({ ca, ...(certificate && { cert: certificate, key }) })
  } catch (cause) {
    const files = [...settings.tlsCa, ...(certificate === undefined ? [] : [`certs.d/${host}`])].join(', ')
    throw settingsInvalid(files, `a certificate or key cannot be used: ${(cause as Error).message}`, cause)
  }
}

/**
 * The system's list in place of Node's, as for curl and podman: a site that has taken an authority out of it does not
 * want it here either. Node's own list is used where there is no other.
 */
function systemAuthorities({ SSL_CERT_FILE, NODE_EXTRA_CA_CERTS }: NodeJS.ProcessEnv): string[] {
  const extra = NODE_EXTRA_CA_CERTS ? readIfThere(NODE_EXTRA_CA_CERTS) : undefined
  const found = SSL_CERT_FILE ? readNamed(SSL_CERT_FILE) : firstOf(SYSTEM_BUNDLES)
  const known = found === undefined ? [...rootCertificates] : [found]
  return [...known, ...(extra === undefined ? [] : [extra])]
}

const firstOf = (paths: readonly string[]): string | undefined => {
  for (const path of paths) {
    const text = readIfThere(path)
    if (text !== undefined) return text
  }
  return undefined
}

function readIfThere(path: string): string | undefined {
  try {
    return readSettings(path, true)
  } catch {
    return undefined
  }
}

/** @param isNamed by the user */
function readNamed(path: string, isNamed = true): string {
  const text = readSettings(path, isNamed)
  if (text === undefined)
    throw new StrataError('IO', { message: `${path} cannot be read: it is not there`, facts: { file: path } })
  if (text.includes('-----BEGIN ')) return text
  throw settingsInvalid(path, 'holds no certificate in the form of PEM (-----BEGIN CERTIFICATE-----)')
}

interface OwnCertificates {
  authorities: string[]
  certificate?: string
  key?: string
}

/** The first folder `certs.d/HOST:PORT` that exists: `*.crt` are authorities, `*.cert` and `*.key` say who asks. */
function ownOf(host: string, { environment }: TrustSettings): OwnCertificates {
  for (const folder of [...configFolders(environment), '/etc/docker']) {
    const path = join(folder, 'certs.d', host)
    const names = namesIn(path)
    if (names === undefined) continue
    assertOwnWords(path)
    const read = (name: string) => readNamed(join(path, name), false)
    const authorities = names.filter(name => name.endsWith('.crt')).map(read)
    const certificate = names.find(name => name.endsWith('.cert'))
    if (certificate === undefined) return { authorities }
    const key = certificate.replace(/\.cert$/, '.key')
    if (!names.includes(key)) throw settingsInvalid(join(path, certificate), `has no ${key} beside it`)
    return {
      authorities,
      certificate: read(certificate),
      key: read(key)
    }
  }
  return { authorities: [] }
}

function namesIn(path: string): string[] | undefined {
  try {
    return readdirSync(path).sort()
  } catch {
    return undefined
  }
}
