/** The audience of an image, and the mode bits and file access that follow from it (spec/audience.md). */
export {
  type Audience,
  EVERYONE,
  formatAudience,
  type Group,
  groupsOf,
  parseAudience,
  showAudience
} from './audience.ts'
export { applyFolderAccess, folderAccess } from './folder-access.ts'
export {
  audienceOfRestrictions,
  confirmedAudience,
  type Restriction,
  restrictionsBroken,
  restrictionsOf
} from './from-modules.ts'
export { applyImageAccess } from './image-access.ts'
export { modeFor, modeRule } from './image-mode.ts'
export { parseFor } from './parse-for.ts'
export { type AudienceReport, audienceReport } from './report.ts'
