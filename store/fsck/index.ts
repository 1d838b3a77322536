/** Checks of everything in a store, and repairs (spec/store-layout.md#repair). */
export type { FsckReport } from './check-store.ts'
export type { Finding, FsckOptions } from './fsck-run.ts'
