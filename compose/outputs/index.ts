/** The outputs of `build`, and other commands on a target: lock, extract, diff, which, verify. */
export { type BuildReport, buildImage } from './build-image.ts'
export { buildOci, type OciReport } from './build-oci.ts'
export { type BuiltSandbox, buildSandbox, type KeptEdits } from './build-sandbox.ts'
export { buildTar, type TarReport } from './build-tar.ts'
export { compareSandboxTree } from './check-sandbox.ts'
export {
  type Composition,
  type OpenedModule,
  openComposition,
  openStack,
  rangeDigest,
  recordsIn
} from './composition.ts'
export { type DiffReport, diffTargets, type ModuleDifference } from './diff-targets.ts'
export {
  type Decision,
  type ExplainedModule,
  explainPolicies,
  type PolicyReport
} from './explain-policies.ts'
export { extractImage } from './extract-image.ts'
export type { ImageOptions } from './image-options.ts'
export { isWhole, type OpenImage, type PullMissing } from './image-target.ts'
export { assertImageTrusted, assertModulesNotRefused } from './image-trust.ts'
export { keepLock } from './keep-lock.ts'
export { lockTarget } from './lock-target.ts'
export { modulesBehind } from './modules-behind.ts'
export {
  type InstalledPackages,
  installedPackages,
  type PackageDifference,
  type ReadTree,
  type UnreadPackages
} from './package-differences.ts'
export { type BuildPlan, planBuild } from './plan-build.ts'
export { prepareImage } from './prepare-image.ts'
export {
  type PushedImage,
  type PushImageOptions,
  type PushPlace,
  parsePushTarget,
  pushImage,
  SIF_LAYER,
  SQUASHFS_LAYER
} from './push-image.ts'
export { isLockFile, pushLock } from './push-lock.ts'
export { refuseOtherFile } from './refuse-other-file.ts'
export {
  chosenModules,
  isFileName,
  type OpenSandbox,
  resolveTarget,
  type Target,
  type TargetPolicy,
  targetOfImage
} from './resolve-target.ts'
export { importEditedLayer, openSandboxTarget } from './sandbox-target.ts'
export { signSif } from './sign-sif.ts'
export { signFile, signModule } from './sign-target.ts'
export { signersIn, signersOf } from './signers.ts'
export { readTreeFile } from './tree-file.ts'
export { unmetRequirements } from './unmet-requirements.ts'
export { assertSandboxAccepted } from './unproven-image.ts'
export { isProven, verifyImage, verifyLock, verifyModule } from './verify-output.ts'
export { newReport, type VerifyReport } from './verify-report.ts'
export { addSigners, signerOfLock } from './verify-signers.ts'
export { type OwnedBy, whichInImage, whichModule } from './which-module.ts'
