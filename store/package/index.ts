/** Readers of .deb and .rpm packages (spec/sources.md), and of lists of installed packages. */
export { isAr } from './ar.ts'
export { openDebSource } from './deb.ts'
export { needsOf } from './deb-relations.ts'
export { type Paragraph, parseDeb822 } from './deb822.ts'
export {
  isInstalled,
  PACKAGE_DATABASES,
  type PackageChange,
  type PackageDatabaseFile,
  packageChanges
} from './installed.ts'
export { isRpm, openRpmSource } from './rpm.ts'
