export type { CapturedLayer } from './captured-tar.ts'
export type { NotApplied } from './plan-applied.ts'
export {
  type CapturedBeside,
  type ReadSandboxOptions,
  readSandbox,
  type SandboxEdits
} from './read-sandbox.ts'
export { type Applied, decodeRecord, encodeRecord, type SandboxRecord } from './record.ts'
export { SANDBOX_FOLDER } from './sandbox-files.ts'
export { type SandboxOptions, type SandboxReport, writeSandbox } from './write-sandbox.ts'
