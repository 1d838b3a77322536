/** Hash trees for dm-verity (spec/verity.md). */
export { appendVerity, readVerityRoot, type Verity } from './append-verity.ts'
