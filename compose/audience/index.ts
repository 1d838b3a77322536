export { type Accounts, hostAccounts } from './accounts.ts'
export {
  type Audience,
  EVERYONE,
  formatAudience,
  type Group,
  groupAudience,
  groupsOf,
  parseAudience,
  showAudience,
  showGroup,
  userAudience
} from './audience.ts'
export { applyFolderAccess, folderAccess } from './folder-access.ts'
export {
  audienceOfModules,
  audienceOfRestrictions,
  confirmedAudience,
  type ModulesAudience,
  type RestrictedModule,
  type Restriction,
  restrictionsBroken,
  restrictionsOf
} from './from-modules.ts'
export { applyImageAccess, type FileAccess, imageFileAccess } from './image-access.ts'
export { type AclModes, type ModeInput, modeFor, modeRule } from './image-mode.ts'
export { parseFor } from './parse-for.ts'
export { type AudienceReport, audienceReport, type LostGrant } from './report.ts'
