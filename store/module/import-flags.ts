import type { IdNames } from '../accounts/index.ts'
import { dropUndefined, pathFromText, StrataError, showPath } from '../values/index.ts'
import type { EnvironmentOperation } from './environment.ts'
import { parseTyped } from './setting-table.ts'
import { checkLabel, checkStrip, type ImportSettings, parseOwner } from './settings.ts'
import { parseTreePath } from './tree-path.ts'

/** Flags of `compose import` as they were typed; false means that a switch was not typed. */
export interface ImportFlags {
  kind?: string
  summary?: string
  license?: string
  family?: string
  requires?: string[]
  conflicts?: string[]
  /** Paths and patterns. */
  replaces?: string[]
  /** `--set`, `--prepend`, `--append`, `--unset`, in the order typed (parseEnvironmentFlag). */
  environment?: EnvironmentOperation[]
  accessGroups?: string[]
  /** K=V each. */
  labels?: string[]
  /** False with `--no-redistribute`. The option parser gives true if nothing was typed, so true means no choice. */
  redistribute?: boolean
  prefix?: string
  strip?: string
  owner?: string
  allowPrivileged?: boolean
  hidden?: boolean
  sources?: string[]
}

/**
 * @param names ids of the owner and of access groups
 * @throws StrataError USAGE that names the flag, MODULE_NAME, NAME_UNKNOWN
 */
export function parseImportFlags(flags: ImportFlags, names: IdNames): ImportSettings {
  return dropUndefined({
    ...NO_LISTS,
    ...parseTyped(
      (_, key) => flags[key as keyof ImportFlags] as string | string[] | undefined,
      ({ flag }, _, parse) => [parse(flag!)],
      names
    ),
    environment: flags.environment ?? [],
    labels: Object.fromEntries((flags.labels ?? []).map(text => parseLabel(text, '--label'))),
    redistributable: flags.redistribute === false ? false : undefined,
    allowPrivileged: flags.allowPrivileged || undefined,
    hidden: flags.hidden || undefined,
    prefix: flags.prefix === undefined ? undefined : parseTreePath(flags.prefix, '--prefix'),
    strip: flags.strip === undefined ? undefined : parseStrip(flags.strip, '--strip'),
    owner: flags.owner === undefined ? undefined : parseOwner(flags.owner, { source: '--owner' }, names),
    sources: flags.sources ?? []
  })
}

const NO_LISTS = { requires: [], conflicts: [], accessGroups: [], replaces: [] }

function parseLabel(text: string, flag: string): [string, string] {
  const equals = text.indexOf('=')
  if (equals >= 0) return checkLabel(text.slice(0, equals), text.slice(equals + 1), flag)
  throw new StrataError('USAGE', {
    message: `${flag} "${showPath(pathFromText(text.slice(0, 80)))}": "=" is missing, wanted KEY=VALUE`,
    hint: `${flag} org.example.contact=hpc@example.org`
  })
}

function parseStrip(text: string, flag: string): number {
  if (/^[0-9]+$/.test(text)) return checkStrip(Number(text), flag)
  throw new StrataError('USAGE', {
    message: `${flag} ${showPath(pathFromText(text.slice(0, 80)))} is not a number, wanted how many leading components each path loses`,
    hint: `${flag} 1`
  })
}
