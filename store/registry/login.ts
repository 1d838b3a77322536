/** Logging in: the registry is asked whether it takes the name and password before they are written down. */
import { StrataError, trimLast } from '../values/index.ts'
import {
  type CredentialPlace,
  type ForgottenCredentials,
  findCredentials,
  forgetCredentials,
  saveCredentials
} from './credentials.ts'
import { hostFault, type ImageReference, usualHost } from './reference.ts'
import { ownPlace } from './registries-conf.ts'
import { RegistrySession, type RegistrySettings } from './registry-session.ts'

export interface LoginRequest {
  /** A host, or a host with the beginning of a repository's name. */
  registry: string
  username: string
  password: string
}

/** @throws StrataError REGISTRY_DENIED, REGISTRY_UNREACHABLE, REGISTRY_INVALID, SETTINGS_INVALID, IO; then nothing is written */
export async function login(
  { registry, username, password }: LoginRequest,
  settings: RegistrySettings
): Promise<CredentialPlace> {
  const key = registryKey(registry)
  if (username === '' || username.includes(':'))
    throw new StrataError('USAGE', {
      message: username === '' ? 'the user name is empty' : 'a user name cannot hold ":"'
    })
  const credentials = { username, password }
  const [host] = key.split('/')
  const { insecure } = ownPlace({ host, repository: 'any' }, settings.environment)
  const session = new RegistrySession({ host, repository: '', insecure }, settings, {
    actions: 'pull',
    credentials
  })
  try {
    const answer = await session.send({ path: '/v2/', what: 'the login', expected: [200] })
    answer.drop()
  } finally {
    await session.close()
  }
  return saveCredentials(key, credentials, settings)
}

/** @throws StrataError SETTINGS_INVALID, IO, REGISTRY_DENIED of a helper */
export const logout = (registry: string, settings: RegistrySettings): ForgottenCredentials =>
  forgetCredentials(registryKey(registry), settings)

/** True if the user's files have credentials for the registry that a repository is in. @throws as findCredentials */
export const hasLogin = (
  name: Pick<ImageReference, 'host' | 'repository'>,
  settings: RegistrySettings
): boolean => findCredentials(ownPlace(name, settings.environment), settings) !== undefined

/** The key of a registry in files with credentials. @throws StrataError REFERENCE_NAME */
export function registryKey(typed: string): string {
  const [host, ...rest] = trimLast(typed.replace(/^(?:docker|https?):\/\//, ''), '/').split('/')
  if (hostFault(host) === undefined && /^[a-z0-9/._-]*$/.test(rest.join('/')))
    return [usualHost(host), ...rest].join('/')
  throw new StrataError('REFERENCE_NAME', {
    message: `"${typed.slice(0, 300)}" is not the host of a registry, with an optional port`,
    hint: 'compose login registry.example.org:5000'
  })
}
