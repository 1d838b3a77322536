/** Checks of everything in a store, and repairs (spec/store-layout.md#repair). */
export type { Finding, FsckOptions, FsckReport } from './check-store.ts'
