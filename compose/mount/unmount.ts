/** `compose umount`: takes a mount of ours away. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { launcherFile } from '../../native/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { findProgram } from '../run/index.ts'
import { type Mounted, mountedAt } from './mount-table.ts'
import { placeOf, refuse, showMounted } from './mount-target.ts'

export interface UnmountReport {
  directory: string
  image: string
}

/** @throws StrataError MOUNT_TARGET if nothing of ours is mounted there, or a program uses it; then it stays */
export function unmountImage(directory: string, host: NodeJS.ProcessEnv = process.env): UnmountReport {
  const place = placeOf(directory)
  const mounted = mountedAt(Buffer.from(place).toString('latin1'))
  if (mounted === undefined) throw refuse(directory, 'nothing is mounted there', 'findmnt')
  if (!isOurs(mounted))
    throw refuse(
      directory,
      `${showMounted(mounted)} is mounted there, which compose did not mount`,
      `umount ${directory}`
    )
  const isRoot = process.getuid?.() === 0
  const fault = isRoot || mounted.type === 'overlay' ? byKernel(mounted, place) : byFuse(place, host)
  if (fault === undefined) return { directory: place, image: mounted.source }
  const users = usersOf(place)
  if (!/busy/i.test(fault)) throw refuse(directory, fault, `as root: compose umount ${directory}`)
  throw refuse(
    directory,
    users.length === 0 ? 'it is busy' : `it is used by ${users.join(', ')}`,
    users.length === 0 ? `as root: fuser -vm ${directory}` : 'the same command again, when they have ended'
  )
}

/** Ours have an image as their source, which is a path unless it is too long, or has a comma. */
const isOurs = ({ type, source }: Mounted): boolean =>
  type === 'overlay'
    ? source.startsWith('/') || source === 'strata'
    : /^fuse(\.squashfuse(_ll)?)?$/.test(type)

/** Also root's way with FUSE: fusermount3 follows links that a user put on the way. @returns the fault, if any */
function byKernel({ number }: Mounted, place: string): string | undefined {
  const words = ['umount', '--mount', String(number), place]
  const { status, stderr } = spawnSync(launcherFile(), words, { encoding: 'utf8' })
  return status === 0 ? undefined : stderr.trim().replace(/^strata-launch: .*: /, '')
}

function byFuse(place: string, host: NodeJS.ProcessEnv): string | undefined {
  const program = findProgram('fusermount3', host) ?? findProgram('fusermount', host)
  if (program === undefined)
    throw new StrataError('MOUNT_FAILED', {
      message: 'fusermount3 is not found in PATH',
      hint: 'as root: apt install fuse3, or dnf install fuse3'
    })
  const { status, stderr } = spawnSync(program, ['-u', place], { encoding: 'utf8' })
  return status === 0 ? undefined : stderr.trim()
}

const MOST_NAMED = 3

/** Other processes that have something open there, as far as this user may know. */
function usersOf(place: string): string[] {
  const users: string[] = []
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name) && Number(name) !== process.pid))
    if (pathsOf(pid).some(path => path === place || path.startsWith(`${place}/`)))
      users.push(`process ${pid} (${read(`/proc/${pid}/comm`).trim()})`)
  const more = users.length - MOST_NAMED
  return more > 0 ? [...users.slice(0, MOST_NAMED), `${more} more`] : users
}

function pathsOf(pid: string): string[] {
  const links = ['cwd', 'root', 'exe', ...namesIn(`/proc/${pid}/fd`).map(fd => `fd/${fd}`)]
  const mapped = read(`/proc/${pid}/maps`).split('\n')
  return [
    ...links.map(name => orNothing(() => readlinkSync(`/proc/${pid}/${name}`))),
    ...mapped.map(line => line.slice(line.indexOf('/')))
  ]
}

const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

const read = (file: string): string => orNothing(() => readFileSync(file, 'utf8'))

/** Processes end, and those of others are closed. */
function orNothing(work: () => string): string {
  try {
    return work()
  } catch {
    return ''
  }
}
