/** How owners are kept while a command runs (spec/capture.md#owners): for real by subordinate ids, or by the supervisor. */
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { launcherFile } from '../../native/index.ts'
import { removeTree } from '../../store/disk/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { hasIds, rangeOptions, subordinateIds } from '../run/index.ts'

const OWNERS_WAYS = ['auto', 'subuid', 'supervised'] as const
export type OwnersWay = (typeof OWNERS_WAYS)[number]

/** @throws StrataError USAGE */
export function parseOwnersWay(text: string): OwnersWay {
  const way = OWNERS_WAYS.find(each => each === text)
  if (way === undefined)
    throw new StrataError('USAGE', {
      message: `--owners ${text}: wanted ${OWNERS_WAYS.join(', ')}`,
      hint: '--owners auto'
    })
  return way
}

/**
 * Options of the launcher for subordinate ids; undefined for the supervisor.
 * @throws StrataError LAUNCH_FAILED if `subuid` was asked for and cannot be
 */
export function subordinateOptions(way: OwnersWay, tree: string): string[] | undefined {
  if (way === 'supervised') return undefined
  const ids = subordinateIds(process.env)
  const isShut = isShutFolder(dirname(tree))
  if (hasIds(ids) && isShut) return rangeOptions(ids)
  if (way === 'auto') return undefined
  throw new StrataError('LAUNCH_FAILED', {
    message: hasIds(ids)
      ? `--owners subuid: other users can enter ${dirname(tree)}, and could start set-id programs of the tree`
      : `--owners subuid: ${[...ids.files, ...ids.programs].join(', ')}: nothing there for ${ids.user}`,
    facts: { feature: 'subuid' },
    hint: hasIds(ids) ? `chmod 700 ${dirname(tree)}, or --owners supervised` : 'compose doctor'
  })
}

/** Set-id files of the tree are real then. */
function isShutFolder(folder: string): boolean {
  const status = statSync(folder, { throwIfNoEntry: false })
  return status !== undefined && (status.mode & 0o077) === 0 && status.uid === process.geteuid?.()
}

/**
 * Removes a tree, also one in which a capture was killed while its files belonged to subordinate ids.
 * @param tree in a folder that nobody else can change
 */
export function removeCaptured(tree: string): void {
  try {
    removeTree(tree)
  } catch (error) {
    const ids = subordinateIds(process.env)
    if (!hasIds(ids)) throw error
    const words = ['remove', ...rangeOptions(ids), tree, '--', 'rm']
    if (spawnSync(launcherFile(), words, { stdio: 'ignore' }).status !== 0) throw error
  }
}
