/**
 * Makes two captures of one command the same layer (spec/capture.md#the-same-layer-twice): logs, caches and lock files
 * stay out, and no file has the time of the capture.
 */
import type { Timestamp } from '../../store/tar/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import type { Candidate, Edits } from './find-edits.ts'
import { FLAG_GENERATED, type SandboxRecord } from './sandbox-record.ts'

export interface Tidying {
  /** False if logs and caches are to be kept. */
  scrubs: boolean
  /** Seconds: the time of everything that was written during the capture; default: the newest in the tree below. */
  epoch?: number
  /** True if times are to stay as they are, in a layer that only a later step of the same build sees. */
  keepsTimes?: boolean
}

/** Everything below these is of no use to others, deletions included. */
const TEMPORARY = ['tmp', 'run', 'var/tmp']

const BELOW = [
  'var/lib/apt/lists',
  'var/lib/apt/periodic',
  'var/cache/apt/archives',
  ...['dnf', 'libdnf5', 'yum', 'zypp', 'apk'].map(name => `var/cache/${name}`),
  'root/.cache'
]

const SCRUBBED = [
  /^var\/log\/(alternatives|dpkg|bootstrap|fontconfig|dnf[\w.-]*|yum|hawkey|zypper)\.log$/,
  /^var\/log\/apt\//,
  /^var\/log\/(lastlog|faillog|tallylog|wtmp|btmp)$/,
  /^var\/cache\/apt\/[^/]*\.bin$/,
  /^var\/cache\/ldconfig\/aux-cache$/,
  /^var\/cache\/debconf\/[^/]*-old$/,
  /^var\/lib\/dpkg\/(lock|lock-frontend|triggers\/Lock|[^/]*-old)$/,
  /^var\/lib\/apt\/daily_lock$/,
  /^var\/lib\/rpm\/(__db\.\d+|\.rpm\.lock|[^/]*-(shm|wal))$/,
  /^var\/lib\/(dbus\/machine-id|systemd\/(random-seed|catalog\/database))$/,
  /^etc\/(machine-id|\.pwd\.lock|(passwd|group|shadow|gshadow|subuid|subgid)-)$/,
  /^root\/\.(bash_history|wget-hsts)$/
]

const isBelow = (path: PathBytes, folders: string[]): boolean =>
  folders.some(folder => path.startsWith(`${folder}/`))

const isTemporary = (path: PathBytes): boolean => isBelow(path, TEMPORARY)

const isScrubbed = (path: PathBytes): boolean =>
  isTemporary(path) || isBelow(path, BELOW) || SCRUBBED.some(pattern => pattern.test(path))

/** @returns paths that were left out */
export function scrub(edits: Edits): PathBytes[] {
  const isLeft = ({ path, isEdited }: Candidate) => isEdited && isScrubbed(path)
  const left = edits.candidates.filter(isLeft).map(({ path }) => path)
  edits.candidates = edits.candidates.filter(candidate => !isLeft(candidate))
  edits.deleted = edits.deleted.filter(path => !isTemporary(path))
  return left
}

/** Newest time in the tree as it was written, in whole seconds. */
export function newestTime({ flags, kind, mtimeSeconds }: SandboxRecord): number {
  let newest = 0
  for (let inode = 0; inode < kind.length; inode++)
    if (!(flags[inode] & FLAG_GENERATED)) newest = Math.max(newest, mtimeSeconds[inode])
  return newest
}

/** Archives keep whole seconds, zip(1) two of them, so that a file that was packed and unpacked is as much older. */
const COARSEST_SECONDS = 2

/** @param since when the tree was made: all that is as young was written during the capture */
export function clampTimes(edits: Edits, since: Timestamp, epoch: number): void {
  for (const { metadata } of edits.candidates)
    if (metadata.mtime.seconds >= since.seconds - COARSEST_SECONDS)
      metadata.mtime = { seconds: epoch, nanoseconds: 0 }
}
