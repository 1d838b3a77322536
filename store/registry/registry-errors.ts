/** Errors about registries. Each names the registry, and the repository or digest if one was asked for. */
import { type Facts, StrataError } from '../values/index.ts'

const LONGEST_SHOWN = 300

/** Text of a registry, for a message: its start alone. Control characters are escaped by the error. */
export const shownStart = (text: string): string =>
  text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text

/** Ends a sentence about an address that a registry names. */
export const ONLY_HERE = 'only this machine or its link can reach'

/** No answer, or none that helps: the registry is down, busy, or not there. */
export const unreachable = (registry: string, fault: string, cause?: unknown, hint?: string): StrataError =>
  new StrataError('REGISTRY_UNREACHABLE', {
    message: `registry ${registry}: ${shownStart(fault)}`,
    facts: { registry },
    hint:
      hint ?? `check the host, the port and the proxy (HTTPS_PROXY); compose login ${registry} asks it again`,
    cause
  })

/** Credentials are missing, wrong, or not enough. */
export const denied = (registry: string, fault: string, facts: Facts = {}): StrataError =>
  new StrataError('REGISTRY_DENIED', {
    message: `registry ${registry}: ${shownStart(fault)}`,
    facts: { registry, ...facts },
    hint: `compose login ${registry}`
  })

/** The registry does not have it. */
export const unknownThere = (registry: string, fault: string, facts: Facts = {}): StrataError =>
  new StrataError('REGISTRY_UNKNOWN', {
    message: `registry ${registry}: ${shownStart(fault)}`,
    facts: { registry, ...facts },
    hint: 'check the name, the tag and the digest'
  })

/** An answer that breaks the protocol, or is not what was asked for. */
export const invalidAnswer = (
  registry: string,
  fault: string,
  facts: Facts = {},
  cause?: unknown
): StrataError =>
  new StrataError('REGISTRY_INVALID', {
    message: `registry ${registry}: ${shownStart(fault)}`,
    facts: { registry, ...facts },
    hint: 'the same command again; if the answer stays the same, ask those who run the registry',
    cause
  })

/** @param file a settings file of the user or the site */
export const settingsInvalid = (file: string, fault: string, cause?: unknown): StrataError =>
  new StrataError('SETTINGS_INVALID', {
    message: `${file}: ${shownStart(fault)}`,
    facts: { file },
    hint: `mend ${file}`,
    cause
  })
