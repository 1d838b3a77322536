import type { IdNames } from '../accounts/index.ts'
import { dropUndefined, pathFromText, StrataError, showPath } from '../values/index.ts'
import { parseAccessGroup } from './access-group.ts'
import type { EnvironmentOperation } from './environment.ts'
import { parseRequirement } from './requirement.ts'
import {
  checkFamily,
  checkKind,
  checkLabel,
  checkStrip,
  type ImportSettings,
  parseOwner
} from './settings.ts'
import { checkLine } from './text-field.ts'
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
  const one = <T>(
    flag: string,
    text: string | undefined,
    read: (text: string, flag: string) => T
  ): T | undefined => (text === undefined ? undefined : read(text, flag))
  const each = <T>(flag: string, texts: string[] | undefined, read: (text: string, flag: string) => T): T[] =>
    (texts ?? []).map(text => read(text, flag))
  return dropUndefined({
    kind: one('--kind', flags.kind, checkKind),
    summary: one('--summary', flags.summary, checkLine),
    license: one('--license', flags.license, checkLine),
    family: one('--family', flags.family, checkFamily),
    requires: each('--requires', flags.requires, parseRequirement),
    conflicts: each('--conflicts', flags.conflicts, parseRequirement),
    environment: flags.environment ?? [],
    accessGroups: each('--access-group', flags.accessGroups, (text, flag) =>
      parseAccessGroup(text, flag, names)
    ),
    labels: Object.fromEntries(each('--label', flags.labels, parseLabel)),
    redistributable: flags.redistribute === false ? false : undefined,
    replaces: each('--replaces', flags.replaces, parseTreePath),
    allowPrivileged: flags.allowPrivileged || undefined,
    hidden: flags.hidden || undefined,
    prefix: one('--prefix', flags.prefix, parseTreePath),
    strip: one('--strip', flags.strip, parseStrip),
    owner: one('--owner', flags.owner, text => parseOwner(text, { source: '--owner' }, names)),
    sources: flags.sources ?? []
  })
}

function parseLabel(text: string, flag: string): [string, string] {
  const equals = text.indexOf('=')
  if (equals >= 0) return checkLabel(text.slice(0, equals), text.slice(equals + 1), flag)
  throw new StrataError('USAGE', {
    message: `${flag} "${showPath(pathFromText(text.slice(0, 80)))}": "=" is missing, wanted KEY=VALUE`,
    hint: `${flag} org.example.contact=hpc@example.org`
  })
}

const parseStrip = (text: string, flag: string): number =>
  checkStrip(/^[0-9]+$/.test(text) ? Number(text) : Number.NaN, flag)
