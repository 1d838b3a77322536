/** Names, versions, records, settings and refs of modules (spec/module.md). */
export { type AccessGroup, isGroupName, parseAccessGroup } from './access-group.ts'
export { findAlias, listAliases, removeAlias, replaceAlias, writeAlias } from './aliases.ts'
export { type ComparedSettings, compareSettings } from './changed-settings.ts'
export { listDefaults, readDefault, removeDefault, writeDefault } from './defaults.ts'
export {
  checkOperation,
  type EnvironmentOperation,
  formatOperation,
  type OperationKind,
  parseEnvironmentFlag
} from './environment.ts'
export { type FormerRecord, recordsOf } from './former-records.ts'
export { type ImportFlags, parseImportFlags } from './import-flags.ts'
export { inheritSettings } from './inherit-settings.ts'
export { decodeLayerManifest, encodeLayerManifest, type LayerManifest } from './layer-manifest.ts'
export { type Listed, listFolder, strangeEntry } from './list-folder.ts'
export { LARGEST_MANIFEST_BYTES } from './manifest-codec.ts'
export { type MergedSettings, mergeSpec } from './merge-spec.ts'
export {
  formatModuleName,
  formatModuleRequest,
  type ModuleName,
  type ModuleRequest,
  matchesVersion,
  nameFault,
  parseModuleName,
  parseModuleRequest,
  parseShortName,
  type ShortName,
  versionFault
} from './name.ts'
export { nearNames } from './near-names.ts'
export { type PublishedVersion, rankVersions } from './rank-versions.ts'
export {
  decodeRecord,
  encodeRecord,
  type ModuleRecord,
  type Origin,
  originName,
  type PackageVersion,
  peekRecord,
  type RecordField
} from './record.ts'
export { parseRecordId } from './record-id.ts'
export { MODULES, readRef, readRefFile, refPath } from './ref-file.ts'
export { listHistory, listRefs, type Ref } from './ref-list.ts'
export { historyFolder, noteHistory, writeRef } from './refs.ts'
export {
  type Constraint,
  formatRequirement,
  parseRequirement,
  type RangedRequest,
  type Requirement,
  splitRange
} from './requirement.ts'
export { mapSettings, showAccessGroup } from './setting-table.ts'
export { checkLabel, type Deprecation, type ImportSettings, type ModuleKind } from './settings.ts'
export { nameReadFaults, readRefText } from './short-file.ts'
export { readSpecFile } from './spec-file.ts'
export { parseSpecText, refuseText, type SpecFault, type SpecText, yamlTangle } from './spec-text.ts'
export { commonGroups, formatTerms, settingsOfTerms, TERMS_ATTRIBUTE, TERMS_LABEL } from './terms.ts'
export { checkLine, checkText, LONGEST_LINE, LONGEST_TEXT, unprintableIn } from './text-field.ts'
export { hasWildcard, parseTreePath, treePathFault } from './tree-path.ts'
export { compareVersions, versionKey } from './version-order.ts'
