/** A directory of the host, read as the members of a tarball. */
export { DirectorySource } from './directory-source.ts'
export { fileMember } from './file-member.ts'
export { KIND_OF_TYPE } from './kind-of-type.ts'
export { type OnLeftOut, type OnSkip, readAttributes } from './read-attributes.ts'
export { readDirectoryAsTar } from './read-directory.ts'
export { entryOfStatus, FirstPaths } from './status-entry.ts'
export { type Found, walk } from './walk-directory.ts'
