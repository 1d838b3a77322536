/** The generated files that each image carries (spec/image-metadata.md). */
export { composeEnvironment, environmentChanges } from './environment-changes.ts'
export { charliecloudLosses, type EnvironmentLoss } from './environment-files.ts'
export { generatedEntries, shadowedPaths } from './generated-entries.ts'
export { generatedLayer } from './generated-layer.ts'
export { imageLabels, joinedLicenses, mainRecord } from './labels.ts'
export { generatedPaths, ownerOf, type PathOwner } from './owners.ts'
