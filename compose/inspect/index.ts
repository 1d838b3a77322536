/** Looking into images: lists, files, differences. */
export { diffTrees, type PathDifference } from './diff-trees.ts'
export { imageAsLayer } from './image-layer.ts'
export { type ListedPath, listImage } from './list-image.ts'
export {
  describeImage,
  findInImage,
  hasFile,
  type ImageDescription,
  type ImageForm,
  isImage,
  MAX_TEXT_BYTES,
  type OpenImage,
  openFile,
  openImage,
  ownerInImage,
  readImageFile,
  undescribed
} from './open-image.ts'
export { readEverything } from './read-everything.ts'
export { type LookedUp, resolvePath } from './resolve-path.ts'
