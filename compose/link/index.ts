export type { ModeOf } from './image-modes.ts'
export { ACL_ATTRIBUTE } from './inode-attributes.ts'
export {
  type BeginOptions,
  beginImage,
  type FinishOptions,
  type ImageUnderWay,
  type LinkReport,
  linkImage
} from './link-image.ts'
