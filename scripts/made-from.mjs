/**
 * Whether something that was built is still that of its sources. Contents are compared, not times: a checkout, a copy and a
 * file that was moved or deleted have times that say nothing.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * @param paths files, and folders with all below them, relative to the root; what is not there is left out
 * @param pattern of names that count
 * @returns a text that changes with every name and every byte
 */
export function fingerprint(root, paths, pattern = /./) {
  const hash = createHash('sha256')
  const add = path => {
    const file = join(root, path)
    if (!existsSync(file)) return
    if (statSync(file).isDirectory()) for (const name of readdirSync(file).sort()) add(`${path}/${name}`)
    else if (pattern.test(path)) hash.update(`${path}\0`).update(readFileSync(file)).update('\0')
  }
  for (const path of paths) add(path)
  return hash.digest('hex')
}

/** @param stamp file beside what was built */
export const isMadeFrom = (stamp, print) => existsSync(stamp) && readFileSync(stamp, 'utf8') === print

export const sayMadeFrom = (stamp, print) => writeFileSync(stamp, print)
