/** Writes merged trees as directories, and reads edited directories back as layers (spec/sandbox.md). */
export type { CapturedLayer } from './captured-tar.ts'
export { type DirectoriesBeside, readSandbox, type SandboxEdits } from './read-sandbox.ts'
export { COMPOSE_FOLDER, readRegularFile, SANDBOX_FOLDER } from './sandbox-files.ts'
export { deviceMajor, deviceMinor } from './tree-writer.ts'
export { type SandboxReport, writeSandbox } from './write-sandbox.ts'
