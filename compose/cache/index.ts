/** The user's own cache of images and sandboxes, and how it is kept small. */
export { findImported, noteImported } from './imported-images.ts'
export { isKept, type KeptUse, keepNoted, keptPath, noteSize, noteUse, usedFile } from './kept.ts'
export { type CacheBounds, type CacheReport, trimCache, USUAL_BOUNDS } from './trim-cache.ts'
