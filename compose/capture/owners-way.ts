/** How owners are kept while a command runs (spec/capture.md#owners): for real by subordinate ids, or by the supervisor. */
import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { launcherFile } from '../../native/index.ts'
import { removeTree } from '../../store/disk/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Bind, hasIds, type MissingIds, rangeOptions, subordinateIds } from '../run/index.ts'

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

/** Where a command can write. */
interface Places {
  tree: string
  binds: Bind[]
  /** A folder of this run, which goes away with what is in it. */
  work: string
}

/**
 * Options of the launcher for subordinate ids; undefined for the supervisor.
 * @throws StrataError LAUNCH_FAILED if `subuid` was asked for and cannot be
 */
export function subordinateOptions(way: OwnersWay, places: Places): string[] | undefined {
  if (way === 'supervised') return undefined
  const ids = subordinateIds(process.env)
  const fault = hasIds(ids) ? faultOf(places) : missing(ids)
  if (hasIds(ids) && fault === undefined) return rangeOptions(ids)
  if (way === 'auto') return undefined
  throw new StrataError('LAUNCH_FAILED', {
    message: `--owners subuid: ${fault?.why}`,
    facts: { feature: 'subuid' },
    hint: fault?.hint
  })
}

interface Fault {
  why: string
  hint: string
}

const missing = ({ files, overlaps, programs, user }: MissingIds): Fault => ({
  why:
    overlaps.length > 0
      ? overlaps.join('; ')
      : `${[...files, ...programs].join(', ')}: nothing there for ${user}`,
  hint: 'compose doctor'
})

/** Set-id files are real then. Those of the tree go to their user in the end, and those in folders of the host would stay. */
function faultOf({ tree, binds, work }: Places): Fault | undefined {
  const folder = dirname(existsSync(tree) ? realpathSync(tree) : tree)
  if (!isShutFolder(folder))
    return {
      why: `other users can enter ${folder}, and could start set-id programs of the tree`,
      hint: `chmod 700 ${folder}, or --owners supervised`
    }
  const open = binds.find(({ source, isReadOnly }) => !isReadOnly && !source.startsWith(`${work}/`))
  if (open === undefined) return undefined
  return {
    why: `the command could leave set-id programs of yours in ${open.source} of the host`,
    hint: `--bind ${open.source}:${open.target}:ro, or --owners supervised`
  }
}

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
