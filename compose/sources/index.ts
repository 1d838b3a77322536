/** The sources of `import`, by kind (spec/sources.md). */
export { KEPT_LOCK, keptRecord, readKept } from './compose-folder.ts'
export { publishModule } from './publish-module.ts'
export { isSif, SIF_HEADER_BYTES } from './sif-header.ts'
export { verifySandbox } from './verify-sandbox.ts'
