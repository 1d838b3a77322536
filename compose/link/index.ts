/** Links objects of a store into one SquashFS image without packing contents again (spec/squashfs.md). */
export { ImageModes, type ModeOf } from './image-modes.ts'
export { ACL_ATTRIBUTE } from './inode-attributes.ts'
export { beginImage, type LinkReport } from './link-image.ts'
