/** Results of the library as lines of text or as JSON. */
export { offeredJson, renderAvailable, renderOverview, renderTerse, showStore } from './available.ts'
export { banner } from './banner.ts'
export { buildJson, planJson, renderBuild, renderPlan, renderSandbox, sandboxJson } from './build-report.ts'
export { cacheJson, renderCache } from './cache-report.ts'
export { recipeJson, renderDefinitions, renderPackages, renderRecipe } from './definition-report.ts'
export { describedJson, renderDescribed } from './described-module.ts'
export { diffJson, renderDiff } from './diff-report.ts'
export {
  pulledJson,
  pushedImageJson,
  pushedModulesJson,
  renderPulled,
  renderPushedImage,
  renderPushedModules
} from './exchanged.ts'
export { formatBytes } from './format-values.ts'
export { renderFsck } from './fsck-report.ts'
export { renderGc } from './gc-report.ts'
export { historyJson, renderHistory, renderRestored, restoredJson } from './history-report.ts'
export { importJson, renderImport } from './import-report.ts'
export { inspectedJson, renderInspected } from './inspected-image.ts'
export { contentJson, pathJson } from './json-values.ts'
export { listedJson, renderListed } from './listed-path.ts'
export { basesNote, deprecationNote, type ListedModule, renderLoaded } from './lmod-words.ts'
export { layoutJson, renderLayout, renderTar, tarJson } from './output-report.ts'
export { renderPolicies } from './policies.ts'
export { providedJson, renderProvided } from './provided.ts'
export { type ListedRemote, remotesJson, renderRemotes } from './remotes.ts'
export { renderVerified } from './signers.ts'
export { renderSpace, spaceJson } from './space-report.ts'
export {
  detailsJson,
  nameJson,
  renderDetails,
  renderKeyword,
  renderNames,
  renderVersions
} from './spidered.ts'
export { columns } from './text-columns.ts'
export { renderWhatis, whatisLines } from './whatis-lines.ts'
