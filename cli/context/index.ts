/** The context of each command: its options, streams, stores and progress. */
export { type Context, collect, contextOf, type Verbs } from './command.ts'
export { ProgressBar } from './progress.ts'
export { type RegistryFlags, registrySettings } from './registry-settings.ts'
