/** A directory of the host, read as the members of a tarball. */
export { fileMember } from './file-member.ts'
export { KIND_OF_TYPE } from './kind-of-type.ts'
export { type OnLeftOut, type OnSkip, readAttributes } from './read-attributes.ts'
export { readDirectoryAsTar } from './read-directory.ts'
export { DirectorySource } from './source.ts'
export { type Found, walk } from './walk.ts'
