/** Users and groups of this host, by name and by number. */
export { askAccounts, cannotAsk, getent } from './getent.ts'
export { groupName, hostGroup, knownGroup, userName } from './host-groups.ts'
export { type IdKind, MAX_ID, parseId } from './id.ts'
export { IdNames, readIdNames } from './id-names.ts'
