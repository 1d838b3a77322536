/**
 * Terms of use (access groups, redistribution) in outputs without records: a tarball, a bare image, an OCI layout
 * (spec/outputs.md#terms). They are one line of JSON.
 */
import { StrataError } from '../values/index.ts'
import { type AccessGroup, checkAccessGroup } from './access-group.ts'
import type { ImportSettings } from './settings.ts'

/** Attribute of the top of a tree. It is kept if the tree is unpacked with attributes. */
export const TERMS_ATTRIBUTE = 'user.strata.terms'
/** Label of an OCI image. */
export const TERMS_LABEL = 'io.strata.terms'

/** The fields of a record that limit its use. */
export interface LimitedModule {
  redistributable: boolean
  accessGroups: AccessGroup[]
}

type Terms = Pick<Partial<ImportSettings>, 'accessGroups' | 'redistributable'>

/** The terms; undefined if nothing is limited. @param records of everything in the output */
export function formatTerms(records: LimitedModule[]): string | undefined {
  const groups = records.flatMap(({ accessGroups }) => (accessGroups.length > 0 ? [accessGroups] : []))
  const isKept = records.some(({ redistributable }) => !redistributable)
  if (groups.length === 0 && !isKept) return undefined
  const lists = new Map(
    groups.map(list => {
      const sorted = list.map(({ name, gid }) => ({ name, gid }))
      return [JSON.stringify(sorted), sorted] as const
    })
  )
  return JSON.stringify({
    ...(isKept && { redistributable: false }),
    ...(groups.length > 0 && { groups: [...lists.values()] })
  })
}

/**
 * Settings that a module made from the output must have, with a note about them.
 * @param source for messages
 * @throws StrataError SOURCE_INVALID for text that Strata cannot have written; ACCESS_WIDER if no group may use all of
 * it
 */
export function settingsOfTerms(text: string | undefined, source: string, notes: string[]): Terms {
  if (text === undefined) return {}
  const { redistributable, groups } = decode(text, source)
  const accessGroups = commonGroups(groups, source)
  const limits = [
    ...(accessGroups.length > 0
      ? [`for groups ${accessGroups.map(({ name, gid }) => name ?? gid).join(', ')}`]
      : []),
    ...(redistributable === false ? ['not to leave the site'] : [])
  ]
  notes.push(`the source says of itself: ${limits.join(', ')}; the module is so, too`)
  return {
    ...(accessGroups.length > 0 && { accessGroups }),
    ...(redistributable === false && { redistributable })
  }
}

/** An id decides. Modules of former versions have it alone where newer ones have the name beside it. */
const sameGroup = (a: AccessGroup, b: AccessGroup): boolean =>
  a.gid === b.gid && (a.name === b.name || (a.gid !== undefined && (a.name ?? b.name) === (b.name ?? a.name)))

/**
 * Groups that are in every list with any groups: members of other groups may not have all of its parts.
 * @param modules named if there is no such group
 * @throws StrataError ACCESS_WIDER
 */
export function commonGroups(lists: AccessGroup[][], source: string, modules: string[] = []): AccessGroup[] {
  if (lists.length === 0) return []
  const common = lists[0].filter(group => lists.every(list => list.some(other => sameGroup(group, other))))
  if (common.length > 0) return common
  throw new StrataError('ACCESS_WIDER', {
    message: `the modules in ${source} are for different groups, and no group may use all of them`,
    facts: { modules },
    hint: 'import the modules one by one, as they were published'
  })
}

function decode(text: string, source: string): { redistributable?: false; groups: AccessGroup[][] } {
  try {
    const { redistributable, groups = [] } = JSON.parse(text)
    if (redistributable !== undefined && redistributable !== false) throw new TypeError('redistributable')
    return { redistributable, groups: groups.map((list: unknown[]) => list.map(readGroup)) }
  } catch (cause) {
    throw new StrataError('SOURCE_INVALID', {
      message: `${source}: ${TERMS_ATTRIBUTE} is not valid: ${text.slice(0, 200)}`,
      hint: `pack it without that attribute, and give the right --access-group and --no-redistribute`,
      cause
    })
  }
}

function readGroup(value: unknown): AccessGroup {
  const { name, gid } = value as AccessGroup
  if (name !== undefined && typeof name !== 'string') throw new TypeError('name')
  if (gid !== undefined && !Number.isInteger(gid)) throw new TypeError('gid')
  return checkAccessGroup(
    { ...(name !== undefined && { name }), ...(gid !== undefined && { gid }) },
    'a group'
  )
}
