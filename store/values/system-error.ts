/** Errors of the system: adds the name of the file, and a hint about what users can do. */
import type { FileHandle } from 'node:fs/promises'
import { constants } from 'node:os'
import { dirname } from 'node:path'
import { StrataError } from './errors.ts'
import { pathFromText, showPath } from './path-bytes.ts'

const HINTS: Record<string, string> = {
  ENOSPC: 'make space on that file system, then type the same command again',
  EDQUOT: 'your quota on that file system is used up: make space, then type the same command again',
  EIO: 'the disk, or the server of the file system, failed: its log tells more; compose fsck checks a store',
  ADDON_MISSING: 'node scripts/install.mjs, in the folder of Strata, builds it for this machine',
  EMFILE:
    'ulimit -n 1024, then type the same command again: this shell lets a program open fewer files than it needs',
  ENFILE:
    'the whole system has as many files open as it can: end something else, then the same command again',
  EACCES: 'you have no permission for it: ls -ld tells whose the file and its folder are',
  EROFS: 'that file system is mounted read-only: choose another one'
}

/** A hint for an errno, if there is one. */
export const systemHint = (errno: string | undefined): string | undefined => HINTS[errno ?? '']

/** Node reports a thread that could not be started in these words. They are the only place that has the errno. */
const NO_THREAD = /^Worker initialization failure: (E[A-Z]+)$/

const UNKNOWN = /Unknown system error -(\d+)/

/** Names errors that libuv does not know, such as a full quota (`Unknown system error -122`), by the system's name. */
export function nameSystemError<T>(error: T): T {
  const system = error as NodeJS.ErrnoException
  const noThread = NO_THREAD.exec(system?.message ?? '')?.[1]
  if (noThread !== undefined) return Object.assign(error as Error, threadError(noThread)) as T
  const number = Number(UNKNOWN.exec(system?.code ?? '')?.[1])
  const [name] = Object.entries(constants.errno).find(([, errno]) => errno === number) ?? []
  if (name === undefined) return error
  const words = name === 'EDQUOT' ? 'disk quota exceeded' : `system error ${number}`
  system.message = system.message.replace(
    /^(Unknown system error -\d+: )?Unknown system error -\d+/,
    `${name}: ${words}`
  )
  system.code = name
  return error
}

const threadError = (code: string) => ({
  code,
  syscall: 'thread',
  message: `${code}: a thread could not be started`
})

const CALLS = ['write', 'writeFile', 'truncate', 'sync', 'datasync'] as const

/** Makes the errors of an open file name that file. */
export function nameFileInErrors(handle: FileHandle, path: string): FileHandle {
  for (const call of CALLS) {
    const original = handle[call].bind(handle) as (...args: unknown[]) => Promise<unknown>
    const named = (...args: unknown[]) =>
      original(...args).catch((error: NodeJS.ErrnoException) => {
        error.path ??= path
        throw error
      })
    Object.assign(handle, { [call]: named })
  }
  return handle
}

/** Cuts a path off at a name under which an unfinished file is written: no user has seen or chosen such a name. */
function withoutUnfinished(path: string): string {
  const names = path.split('/')
  const first = names.findIndex(
    (name, i) =>
      /^\.compose-.*\.tmp$/.test(name) || (name === 'tmp' && /^[0-9a-f]{32}$/.test(names[i + 1] ?? ''))
  )
  return first < 0 ? path : names.slice(0, first).join('/') || '.'
}

/**
 * The error for a system call that failed, in one form wherever it happened: IO, with the file and the errno as facts.
 * @returns undefined for an error that does not come from the system
 */
export function ioError(error: unknown): StrataError | undefined {
  const cause = nameSystemError(error as NodeJS.ErrnoException)
  if (typeof cause?.syscall !== 'string') return undefined
  if (cause.code === 'ADDON_MISSING') return undefined
  if (cause.syscall === 'uv_os_homedir') return noHome(cause)
  if (cause.syscall === 'uv_cwd') return noFolder(cause)
  const file = typeof cause.path === 'string' ? withoutUnfinished(cause.path) : undefined
  return new StrataError('IO', {
    message: `${file === undefined ? cause.syscall : showPath(pathFromText(file))}: ${systemWords(cause)}`,
    facts: { ...(file !== undefined && { file: showPath(pathFromText(file)) }), errno: cause.code ?? '' },
    hint: systemHint(cause.code),
    cause
  })
}

/** As in a container that was started with any id, or while the directory service of a site is down. */
const noHome = (cause: unknown): StrataError =>
  new StrataError('IO', {
    message: `HOME is not set, and this host has no account for user ${process.geteuid?.()}`,
    facts: {},
    hint: 'export HOME=DIR, a folder of yours',
    cause
  })

const noFolder = (cause: NodeJS.ErrnoException): StrataError =>
  new StrataError('IO', {
    message: `the current folder cannot be used: ${systemWords(cause)}`,
    facts: { errno: cause.code ?? '' },
    hint: 'cd to a folder that is there, then type the same command again',
    cause
  })

/** `no such file or directory` of `ENOENT: no such file or directory, open 'x'`: without the call and the file. */
export const systemWords = (error: Error): string =>
  (error as NodeJS.ErrnoException).code === 'EISDIR'
    ? 'it is a directory'
    : error.message.replace(/^E[A-Z0-9]+: ([^,]*)(, .*)?$/s, '$1')

/**
 * The error for an output that cannot be written. An error that does not come from the system is returned unchanged.
 * @param what stands before the name: `image`
 */
export function outputError(what: string, target: string, error: unknown): unknown {
  if (error instanceof StrataError || (error as NodeJS.ErrnoException).syscall === undefined) return error
  const cause = nameSystemError(error as NodeJS.ErrnoException)
  const shown = showPath(pathFromText(target))
  const { why, hint } = faultOfFolder(dirname(target), cause.code)
  return new StrataError('IO', {
    message: `${what} ${shown} cannot be written: ${why ?? systemWords(cause)}`,
    facts: { file: shown, errno: cause.code ?? '' },
    hint: hint ?? systemHint(cause.code),
    cause
  })
}

/** A file is written under another name first, so most faults are of the folder. */
function faultOfFolder(folder: string, errno: string | undefined): { why?: string; hint?: string } {
  const shown = showPath(pathFromText(folder))
  if (errno === 'ENOENT') return { why: `there is no folder ${shown}`, hint: `mkdir -p ${shown}` }
  if (errno === 'ENOTDIR') return { why: `${shown} is not a folder`, hint: 'name a file in a folder' }
  if (errno === 'EACCES' || errno === 'EPERM')
    return {
      why: `you have no permission to write to the folder ${shown}`,
      hint: 'name a file in a folder of yours'
    }
  return {}
}
