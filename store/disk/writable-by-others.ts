/** Others than the owner. Beside an ACL, the group's bits are its mask, which bounds what its entries give. */
export const isWritableByOthers = (mode: number): boolean => (mode & 0o022) !== 0
