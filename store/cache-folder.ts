import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * Below a folder of the user's own for what can always be made again.
 * XDG Base Directory specification: relative paths in the variable are invalid and to be ignored.
 */
export function cachePath(name: string, host: NodeJS.ProcessEnv = process.env): string {
  const base = host.XDG_CACHE_HOME
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'strata', name)
}

/** As `cachePath`: a folder that is there. */
export async function cacheFolder(name: string, host: NodeJS.ProcessEnv = process.env): Promise<string> {
  const folder = cachePath(name, host)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  return folder
}
