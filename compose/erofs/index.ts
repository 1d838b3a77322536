/** EROFS images that hold the metadata of a tree, ACLs included (spec/erofs.md). */
export { METACOPY, REDIRECT } from './attributes.ts'
export { encodeMetadata, isInDataLayer } from './encode-metadata.ts'
export { type MetadataInode, type MetadataTree, pathOf } from './metadata-tree.ts'
export { type AttributeNumbers, SharedAttributes } from './shared-attributes.ts'
