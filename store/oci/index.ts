/** Readers of OCI image layouts and of the archives of docker and podman (spec/sources.md). */
export type { ImageBase } from './above-base.ts'
export { readAtBuffer } from './archive-index.ts'
export type { OciChoice } from './choose-image.ts'
export { type ArchiveFile, ImageArchive, mayBeImage } from './image-archive.ts'
export { openImageSource } from './image-source.ts'
export { LayoutFiles } from './layout-files.ts'
export { parsePlatform } from './platform.ts'
export { INDEX_FILE, LAYOUT_FILE } from './read-layout.ts'
