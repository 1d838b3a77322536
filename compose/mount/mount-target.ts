/** Folders to mount on. Each has to be empty, so that no file is hidden, and must not be a link. */
import { lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { StrataError, systemWords } from '../../store/values/index.ts'
import { type Mounted, mountedAt } from './mount-table.ts'

/**
 * @returns its path without links
 * @throws StrataError MOUNT_TARGET
 */
export function checkTarget(directory: string): string {
  const path = placeOf(directory)
  const mounted = mountedAt(Buffer.from(path).toString('latin1'))
  if (mounted !== undefined)
    throw refuse(directory, `${showMounted(mounted)} is mounted there`, `compose umount ${directory}`)
  const names = readdirSync(path)
  if (names.length > 0)
    throw refuse(
      directory,
      `is not empty: it holds ${names[0]}${names.length > 1 ? ` and ${names.length - 1} more` : ''}, which a mount would hide`,
      'an empty folder'
    )
  return path
}

/**
 * @throws StrataError MOUNT_TARGET if the path does not lead to a folder, its last name is a link, or another user's link
 * is on the way
 */
export function placeOf(directory: string): string {
  const path = resolve(directory)
  try {
    const status = lstatSync(path)
    if (status.isSymbolicLink())
      throw refuse(directory, 'is a symbolic link', `the folder itself: ${realpathOr(path)}`)
    if (!status.isDirectory()) throw refuse(directory, 'is not a folder', 'an empty folder')
    return join(withoutLinks(dirname(path), directory), basename(path))
  } catch (cause) {
    if (cause instanceof StrataError) throw cause
    throw refuse(directory, systemWords(cause as Error), `mkdir -p ${directory}`, cause)
  }
}

const namesOf = (path: string): string[] => path.split('/').filter(name => name !== '' && name !== '.')

/** Linux follows as many (path_resolution(7)). */
const MOST_LINKS = 40

/** Follows links of root and of this user alone: those of others would choose what root mounts on or unmounts. */
function withoutLinks(path: string, directory: string): string {
  const ahead = namesOf(path)
  let at = '/'
  let links = 0
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    const place = name === '..' ? dirname(at) : join(at, name)
    const status = lstatSync(place)
    if (!status.isSymbolicLink()) {
      at = place
      continue
    }
    if (status.uid !== 0 && status.uid !== process.getuid?.())
      throw refuse(directory, `${place} is a symbolic link of user ${status.uid}`, realpathOr(directory))
    if (++links > MOST_LINKS)
      throw refuse(directory, 'too many symbolic links are on the way', 'another folder')
    const target = readlinkSync(place)
    if (target.startsWith('/')) at = '/'
    ahead.unshift(...namesOf(target))
  }
  return at
}

function realpathOr(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

export const showMounted = ({ type, source }: Mounted): string => `${type} of ${source}`

export const refuse = (directory: string, fault: string, hint: string, cause?: unknown): StrataError =>
  new StrataError('MOUNT_TARGET', {
    message: `${directory}: ${fault}`,
    facts: { directory },
    hint,
    cause
  })
