import { closeSync } from 'node:fs'
import { constants, type FileStatus, fstatAt, openBeneath, readDirAt } from '../../native/index.ts'
import type { PathBytes } from '../values/index.ts'
import type { DirectorySource } from './directory-source.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, S_IFDIR, S_IFMT, S_IFREG } = constants

export interface Found {
  /** Relative to the top, which is ''. */
  path: PathBytes
  /**
   * Descriptor of exactly this inode, open only until the next entry is asked for. Files and directories are opened for
   * reading, others with O_PATH, so that no device is opened and no link followed.
   */
  fd: number
  status: FileStatus
}

/** A directory whose entries are being visited. */
interface Level extends Found {
  names: PathBytes[]
  next: number
}

/**
 * The directory and everything below it, depth first: a directory before its content, siblings in byte order of their
 * names. Mounts inside are entered, as GNU tar does. Each name is opened relative to its directory's descriptor,
 * without following links. So nobody can lead the walk elsewhere by replacing a directory with a link.
 * @param top descriptor of the directory, opened for reading; stays open
 * @throws StrataError SOURCE_CHANGED if entries came or went meanwhile, IO if something cannot be read
 */
export function* walk(top: number, source: DirectorySource): Generator<Found> {
  const root = { path: '', fd: top, status: fstatAt(top) }
  yield root
  const levels = [openLevel(root, source)]
  try {
    while (levels.length > 0) {
      const level = levels[levels.length - 1]
      if (level.next < level.names.length) {
        const found = openEntry(level, level.names[level.next++], source)
        let isLevel = false
        try {
          yield found
          isLevel = isDirectory(found) && levels.push(openLevel(found, source)) > 0
        } finally {
          if (!isLevel) closeSync(found.fd)
        }
      } else {
        source.checkUnchanged(
          level.path,
          level.status,
          source.attempt(level.path, () => fstatAt(level.fd))
        )
        levels.pop()
        if (level.fd !== top) closeSync(level.fd)
      }
    }
  } finally {
    for (const { fd } of levels) if (fd !== top) closeSync(fd)
  }
}

const isDirectory = ({ status }: Found): boolean => (status.mode & S_IFMT) === S_IFDIR

function openEntry(level: Level, name: PathBytes, source: DirectorySource): Found {
  const path = level.path === '' ? name : `${level.path}/${name}`
  const listed = source.attempt(path, () => fstatAt(level.fd, name))
  const fd = source.attempt(path, () => openBeneath(level.fd, name, flagsFor(listed)))
  const status = fstatAt(fd)
  if (status.ino === listed.ino && status.dev === listed.dev && status.mode === listed.mode)
    return { path, fd, status }
  closeSync(fd)
  throw source.changed(path, 'another file took its name')
}

/** O_NONBLOCK is needed because a FIFO may have taken the name since: opening it must not wait for a writer. */
function flagsFor({ mode }: FileStatus): number {
  const type = mode & S_IFMT
  if (type === S_IFREG) return O_RDONLY | O_NOFOLLOW | O_NONBLOCK
  if (type === S_IFDIR) return O_RDONLY | O_NOFOLLOW | O_DIRECTORY
  return O_PATH | O_NOFOLLOW
}

function openLevel(found: Found, source: DirectorySource): Level {
  // Names are latin1 strings, so the default order of sort is byte order.
  const names = source.attempt(found.path, () => readDirAt(found.fd)).names.sort()
  return { ...found, names, next: 0 }
}
