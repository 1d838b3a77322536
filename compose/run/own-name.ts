import { userInfo } from 'node:os'

/**
 * Name of the user's account. Their number, where the host knows no account: in a container that was started with any
 * id, or while the directory service of a site is down.
 */
export function ownName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.geteuid?.())
  }
}
