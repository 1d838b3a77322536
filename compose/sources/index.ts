/** The sources of `import`, by kind (spec/sources.md). */
export { KEPT_LOCK, keptRecord, readKept } from './compose-folder.ts'
export { boundsOfTarget } from './composed-bounds.ts'
export { composedSettings } from './composed-settings.ts'
export { type PublishRequest, publishModule } from './publish-module.ts'
export { isVersionOf } from './sandbox-changes.ts'
export { parseAssignments } from './shell-assignments.ts'
export type { CapturedBy } from './source-kind.ts'
export { verifySandbox } from './verify-sandbox.ts'
