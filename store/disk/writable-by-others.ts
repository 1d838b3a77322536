/** True if anyone but the owner may write. With an ACL, the group's bits are its mask, which limits all named entries. */
export const isWritableByOthers = (mode: number): boolean => (mode & 0o022) !== 0

/** True if a directory lets each user rename and remove their own entries alone. */
export const isSticky = (mode: number): boolean => (mode & 0o1000) !== 0

/** True if others than root and this user can rename what is in the directory. */
export const isExchangeable = ({ uid, mode }: { uid: number; mode: number }): boolean =>
  ![0, process.geteuid?.()].includes(uid) || (isWritableByOthers(mode) && !isSticky(mode))
