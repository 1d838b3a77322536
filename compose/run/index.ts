/** Running a program in an image or a sandbox (spec/runtimes.md). */
export { cachedImage } from './cached-image.ts'
export { examineHost, type HostCheck } from './examine-host.ts'
export { parseBind } from './parse-bind.ts'
export type { Ended } from './run-program.ts'
export { existingRoot, type Runnable, runnableOf, trustedRunnable } from './runnable.ts'
export { type Bind, RUNTIME_NAMES } from './runtime.ts'
export { startRun } from './start-run.ts'
