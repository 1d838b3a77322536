/**
 * `.compose/sandbox/bounds`: access and licences of what was copied into a tree although its lock does not name it, such as
 * files of earlier stages of a definition. They count for all that is made of the tree (spec/sandbox.md#bounds).
 */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants } from '../../native/index.ts'
import type { Bound } from '../../store/access/index.ts'
import { EVERYONE } from '../../store/files/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { readRegularFile, SANDBOX_FOLDER } from './sandbox-files.ts'

const FILE = `${SANDBOX_FOLDER}/bounds`
const MOST_BYTES = 1 << 24

/** Before a command or a user gets the tree. */
export const keepBounds = (tree: string, bounds: readonly Bound[]): void =>
  writeFileSync(join(tree, FILE), `${JSON.stringify(bounds)}\n`, { mode: 0o600 })

/** None, if nothing was written. @throws StrataError SANDBOX_INVALID, so that damage opens nothing */
export function keptBounds(tree: string): Bound[] {
  const top = openSync(tree, constants.O_PATH | constants.O_DIRECTORY)
  try {
    const found: unknown = JSON.parse(readRegularFile(top, FILE, MOST_BYTES).toString('utf8'))
    if (Array.isArray(found) && found.every(isBound)) return found
    throw new TypeError('wanted a list of bounds')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new StrataError('SANDBOX_INVALID', {
      message: `${tree} does not say for whom its files are: ${(cause as Error).message}`,
      facts: { sandbox: tree, file: FILE },
      hint: `rm -rf ${tree}, and make it again`,
      cause
    })
  } finally {
    closeSync(top)
  }
}

function isBound(value: unknown): value is Bound {
  const { what, access, redistributable } = (value ?? {}) as Partial<Bound>
  const isAccess = access === EVERYONE || (Array.isArray(access) && access.every(Number.isInteger))
  return typeof what === 'string' && isAccess && typeof redistributable === 'boolean'
}
