/** True if anyone but the owner may write. With an ACL, the group's bits are its mask, which limits all named entries. */
export const isWritableByOthers = (mode: number): boolean => (mode & 0o022) !== 0
