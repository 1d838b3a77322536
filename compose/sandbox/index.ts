/** Writes merged trees as directories, and reads edited directories back as layers (spec/sandbox.md). */
export type { CapturedLayer } from './captured-tar.ts'
export { deviceMajor, deviceMinor } from './device-numbers.ts'
export { generatedIn } from './generated-paths.ts'
export { keepBounds, keptBounds } from './kept-bounds.ts'
export {
  type DirectoriesBeside,
  epochOf,
  type ReadSandboxOptions,
  readSandbox,
  type SandboxEdits
} from './read-sandbox.ts'
export {
  COMPOSE_FOLDER,
  changeSeen,
  readRegularFile,
  removalOf,
  SANDBOX_FOLDER,
  SEEN_METADATA,
  seenIn
} from './sandbox-files.ts'
export { diskMode, type SeenMetadata } from './seen-metadata.ts'
export type { Tidying } from './tidy-edits.ts'
export { type SandboxReport, writeSandbox } from './write-sandbox.ts'
