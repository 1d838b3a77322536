/** Images as folders of the host (spec/erofs.md). */
export { type MountOptions, type MountReport, mountImage } from './mount-image.ts'
export { checkTarget } from './mount-target.ts'
export { unmountImage } from './unmount.ts'
