/** Errors of the system's: what a user can do about them, and which file they are about. */
import type { FileHandle } from 'node:fs/promises'
import { constants } from 'node:os'
import { StrataError } from './errors.ts'
import { pathFromText, showPath } from './path-bytes.ts'

const HINTS: Record<string, string> = {
  ENOSPC: 'make space on that file system, then the same command again',
  EDQUOT: 'your quota on that file system is used up: make space, then the same command again',
  EIO: 'the disk, or the server of the file system, failed: its log tells more; compose fsck checks a store',
  ADDON_MISSING: 'node scripts/install.mjs, in the folder of Strata, builds it for this machine',
  EMFILE:
    'ulimit -n 1024, then the same command again: this shell lets a program open fewer files than it needs',
  ENFILE:
    'the whole system has as many files open as it can: end something else, then the same command again',
  EROFS: 'that file system is mounted read-only: choose another one'
}

/** The next thing to do about an errno, where there is one. */
export const systemHint = (errno: string | undefined): string | undefined => HINTS[errno ?? '']

/** Node's for a thread that could not be started: only its words tell the errno. */
const NO_THREAD = /^Worker initialization failure: (E[A-Z]+)$/

const UNKNOWN = /Unknown system error -(\d+)/

/** libuv has no name for some errors, a quota's among them: `Unknown system error -122`. They get the system's. */
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

/** Errors of an open file do not say which file it is; of this one they do. */
export function namingFile(handle: FileHandle, path: string): FileHandle {
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

/**
 * What a user is told when an output cannot be written; an error that is not the system's is returned as it is.
 * @param what stands before the name: `image`
 */
export function outputError(what: string, target: string, error: unknown): unknown {
  if (error instanceof StrataError || (error as NodeJS.ErrnoException).syscall === undefined) return error
  const cause = nameSystemError(error as NodeJS.ErrnoException)
  const shown = showPath(pathFromText(target))
  return new StrataError('IO', {
    message: `${what} ${shown} cannot be written: ${cause.message}`,
    facts: { file: shown, errno: cause.code ?? '' },
    hint: systemHint(cause.code),
    cause
  })
}
