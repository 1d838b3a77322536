/** Combines the settings of the modules in an image or sandbox into those of the one module that it becomes. */

import {
  type AccessGroup,
  commonGroups,
  formatModuleName,
  type ImportSettings,
  type ModuleRecord
} from '../../store/module/index.ts'
import { dropUndefined } from '../../store/values/index.ts'
import { joinedLicenses, mainRecord } from '../runtime-files/index.ts'

/**
 * Environments follow each other, labels of later modules win, summary and help are those of the main module, and the
 * runscript is the topmost one. Requirements are met by the tree itself, so they are dropped.
 * @param records bottom to top
 * @throws StrataError ACCESS_WIDER if no group is admitted by all modules
 */
export function composedSettings(records: ModuleRecord[], source: string): Partial<ImportSettings> {
  const main = mainRecord(records)
  return dropUndefined({
    summary: main?.summary,
    help: main?.help,
    license: joinedLicenses(records),
    environment: records.flatMap(({ environment }) => environment),
    labels: Object.assign({}, ...records.map(({ labels }) => labels)),
    runscript: records.findLast(({ runscript }) => runscript !== undefined)?.runscript,
    accessGroups: groupsOf(records, source),
    redistributable: records.some(({ redistributable }) => !redistributable) ? false : undefined
  })
}

function groupsOf(records: ModuleRecord[], source: string): AccessGroup[] {
  const limited = records.filter(({ accessGroups }) => accessGroups.length > 0)
  return commonGroups(
    limited.map(({ accessGroups }) => accessGroups),
    source,
    limited.map(formatModuleName)
  )
}
