/** The space that modules take in a store, and share (spec/store-layout.md#space). */
export type { MeasuredSpace, ModuleSpace, SharedSpace } from './measure-space.ts'
