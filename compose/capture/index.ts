/** Modules from what commands change in a tree (spec/capture.md). */
export { type CaptureRequest, captureModule, recordsOfTree } from './capture-module.ts'
export {
  changedPackages,
  keepPackages,
  type PackagesBefore,
  packagesBefore,
  setPackagesBefore
} from './installed-packages.ts'
export { parseOwnersWay } from './owners-way.ts'
export { refuseStopped, runInside } from './run-inside.ts'
export { WorkFolder } from './work-folder.ts'
