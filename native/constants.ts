/** Linux constants; their values differ between processors and are read from the addon. */
export interface NativeConstants {
  O_RDONLY: number
  O_WRONLY: number
  O_RDWR: number
  O_CREAT: number
  O_EXCL: number
  O_TRUNC: number
  O_APPEND: number
  O_NONBLOCK: number
  O_DIRECTORY: number
  O_NOFOLLOW: number
  /** A handle on the inode itself: opening needs no permission on it, and nothing can be read through it. */
  O_PATH: number
  /** An unnamed file in a directory, named later by `linkAt(fd, '', dirfd, name)`. */
  O_TMPFILE: number
  AT_REMOVEDIR: number
  RENAME_NOREPLACE: number
  RENAME_EXCHANGE: number
  XATTR_CREATE: number
  XATTR_REPLACE: number
  S_IFMT: number
  S_IFREG: number
  S_IFDIR: number
  S_IFLNK: number
  S_IFBLK: number
  S_IFCHR: number
  S_IFIFO: number
  S_IFSOCK: number
}
