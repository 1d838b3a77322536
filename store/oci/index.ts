/** Readers of OCI image layouts and of the archives of docker and podman (spec/sources.md). */
export { readAtBuffer } from './archive-index.ts'
export type { OciChoice } from './choose-image.ts'
export { type ArchiveFile, ImageArchive, mayBeImage } from './image-archive.ts'
export type { ImageBase } from './image-base.ts'
export { openImageSource } from './image-source.ts'
export { LayoutFolder } from './layout-folder.ts'
export { parsePlatform } from './platform.ts'
export { INDEX_FILE, LAYOUT_FILE } from './read-layout.ts'
