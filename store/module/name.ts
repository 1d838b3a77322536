import { pathFromText, StrataError, showPath } from '../values/index.ts'

/**
 * Names of modules: `category/name-version`. The version starts at the last `-` before a digit, so `lib/gtk-3-3.24`
 * is version 3.24 of `gtk-3`, and no version holds a `-` before a digit (spec/module.md#names).
 */
export interface ModuleName {
  category: string
  name: string
  version: string
}

/** A name that a user types: `mpi/openmpi`, or with a whole or partial version, `mpi/openmpi-4.1`. */
export interface ModuleRequest {
  category: string
  name: string
  version?: string
}

/**
 * Limits, because each part is a file name (refs/modules/…) and name and version together must stay below the 255 bytes
 * of file systems.
 */
const LONGEST = { category: 64, name: 128, version: 64 } as const

type Part = keyof typeof LONGEST

const EXAMPLE = 'mpi/openmpi-4.1.6'

/** @throws StrataError MODULE_NAME */
export function parseModuleName(text: string): ModuleName {
  const { category, name, version } = parseModuleRequest(text)
  if (version === undefined)
    throw badName(text, 'has no version: nothing follows a "-" that starts with a digit')
  return { category, name, version }
}

/** Accepts Lmod's form `mpi/openmpi/4.1.6` too. @throws StrataError MODULE_NAME */
export function parseModuleRequest(text: string): ModuleRequest {
  const [category, rest, lmodVersion, ...more] = text.split('/')
  if (rest === undefined) throw badName(text, 'has no category, "/" is missing')
  if (more.length > 0 || (lmodVersion !== undefined && !/^[0-9]/.test(lmodVersion)))
    throw badName(text, 'holds more than one "/"')
  const { name, version } =
    lmodVersion === undefined ? splitVersion(rest) : { name: rest, version: lmodVersion }
  const request = { category, name, ...(version === undefined ? {} : { version }) }
  const fault = nameFault(request)
  if (fault !== undefined) throw badName(text, fault)
  return request
}

/** A name without its category, with or without a version. */
export type ShortName = Omit<ModuleRequest, 'category'>

/** @throws StrataError MODULE_NAME */
export function parseShortName(text: string): ShortName {
  const { name, version } = splitVersion(text)
  const fault = partFault('name', name) ?? (version === undefined ? undefined : versionFault(version))
  if (fault !== undefined) throw badName(text, fault)
  return { name, ...(version === undefined ? {} : { version }) }
}

/** Splits `openmpi-4.1.6` into name and version. */
function splitVersion(text: string): { name: string; version?: string } {
  let dash = text.lastIndexOf('-')
  while (dash >= 0 && !/[0-9]/.test(text[dash + 1] ?? ''))
    dash = dash === 0 ? -1 : text.lastIndexOf('-', dash - 1)
  return dash < 0 ? { name: text } : { name: text.slice(0, dash), version: text.slice(dash + 1) }
}

/** The reason why these parts are not a module name; undefined if they are one. */
export function nameFault({ category, name, version }: ModuleRequest): string | undefined {
  return (
    partFault('category', category) ??
    partFault('name', name) ??
    (version === undefined ? undefined : versionFault(version))
  )
}

function partFault(part: Part, text: string): string | undefined {
  if (text === '') return `has an empty ${part}`
  const odd = /[^A-Za-z0-9._+-]/u.exec(text)
  if (odd !== null) return `has ${quoteStart(odd[0])} in its ${part}, wanted only A-Z a-z 0-9 . _ + -`
  if (!/^[A-Za-z0-9_]/.test(text))
    return `has a ${part} that starts with "${text[0]}", wanted a letter, digit or _`
  if (/[.-]$/.test(text)) return `has a ${part} that ends with "${text.at(-1)}"`
  if (text.includes('..')) return `has ".." in its ${part}`
  if (text.length > LONGEST[part])
    return `has a ${part} of ${text.length} characters, wanted at most ${LONGEST[part]}`
  return undefined
}

/**
 * The reason why this is not a version, whole or partial; undefined if it is one. Parsing a name must give the same
 * version back.
 */
export function versionFault(version: string): string | undefined {
  const fault = partFault('version', version)
  if (fault !== undefined) return fault
  if (!/^[0-9]/.test(version)) return `has version "${version}", wanted one that starts with a digit`
  if (/-[0-9]/.test(version)) return `has "-" before a digit in its version "${version}"`
  return undefined
}

const badName = (text: string, fault: string): StrataError =>
  new StrataError('MODULE_NAME', {
    message: `module ${quoteStart(text)} ${fault}; wanted category/name-version, such as ${EXAMPLE}`,
    facts: { module: quoteStart(text) }
  })

const quoteStart = (text: string): string => `"${showPath(pathFromText(text.slice(0, 300)))}"`

export const formatModuleName = ({ category, name, version }: ModuleName): string =>
  `${category}/${name}-${version}`

export const formatModuleRequest = ({ category, name, version }: ModuleRequest): string =>
  version === undefined ? `${category}/${name}` : `${category}/${name}-${version}`

/** True if `version` fits the request: `2` asks for `2`, `2.*` and `2-*`, never `21`; no version asks for any. */
export function matchesVersion(asked: string | undefined, version: string): boolean {
  if (asked === undefined || version === asked) return true
  return version.startsWith(asked) && /^[.-]/.test(version.slice(asked.length))
}
