/** What the modules of an image or sandbox of ours say together, for the one module that it becomes. */
import { StrataError } from '../../store/errors.ts'
import type { AccessGroup } from '../../store/module/access-group.ts'
import { present } from '../../store/module/manifest-fields.ts'
import type { ModuleRecord } from '../../store/module/record.ts'
import type { ImportSettings } from '../../store/module/settings.ts'
import { joinedLicenses, mainRecord } from '../generated/labels.ts'

/**
 * Environments one after another, labels of a later module over those of an earlier one, summary and help of the main
 * one, the topmost runscript. Requirements are met by the tree itself, so they are not taken over.
 * @param records bottom to top
 * @throws StrataError ACCESS_WIDER when no group is admitted by all of them
 */
export function composedSettings(records: ModuleRecord[], source: string): Partial<ImportSettings> {
  const main = mainRecord(records)
  return present({
    summary: main?.summary,
    help: main?.help,
    license: joinedLicenses(records),
    environment: records.flatMap(({ environment }) => environment),
    labels: Object.assign({}, ...records.map(({ labels }) => labels)),
    runscript: records.findLast(({ runscript }) => runscript !== undefined)?.runscript,
    accessGroups: commonGroups(records, source),
    redistributable: records.some(({ redistributable }) => !redistributable) ? false : undefined
  })
}

const sameGroup = (a: AccessGroup, b: AccessGroup): boolean => a.name === b.name && a.gid === b.gid

/** Groups that every module with access groups admits: members of another one may not have all of its parts. */
function commonGroups(records: ModuleRecord[], source: string): AccessGroup[] {
  const limited = records.filter(({ accessGroups }) => accessGroups.length > 0)
  if (limited.length === 0) return []
  const common = limited[0].accessGroups.filter(group =>
    limited.every(({ accessGroups }) => accessGroups.some(other => sameGroup(group, other)))
  )
  if (common.length > 0) return common
  throw new StrataError('ACCESS_WIDER', {
    message: `the modules in ${source} are for different groups, and no group may use all of them`,
    facts: { modules: limited.map(({ category, name, version }) => `${category}/${name}-${version}`) },
    hint: 'import the modules one by one, as they were published'
  })
}
