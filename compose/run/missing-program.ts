/** Tells why a program could not be started inside, with the exit status that shells have for it. */
import { statSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { mountPointAt } from './place-mount-points.ts'
import type { Bind, RunRequest } from './runtime.ts'

export interface MissingProgram {
  /** POSIX sh: 127 for a command that is not found, 126 for one that is not executable. */
  status: 126 | 127
  message: string
}

/** Folders of the host that every runtime mounts. */
const OF_HOST: Bind[] = ['/dev', '/proc', '/sys', '/tmp'].map(path => ({
  source: path,
  target: path,
  isReadOnly: false
}))

/**
 * Looks for the program of a run that failed. Runtimes end with a status of their own, such as 1, which could be the
 * program's.
 * @returns undefined if it is there, or if the tree cannot be looked at
 */
export function missingProgram(request: RunRequest): MissingProgram | undefined {
  const [program] = request.command
  if (program === undefined || request.root.kind !== 'directory') return undefined
  const places = placesOf(program, request)
  const modes = places.flatMap(place => fileMode(request, place) ?? [])
  if (modes.some(mode => (mode & 0o111) !== 0)) return undefined
  if (modes.length > 0) return { status: 126, message: `${program} is there, but it is not executable` }
  const where = program.includes('/')
    ? 'inside'
    : `in the folders of PATH inside: ${request.environment.PATH}`
  return { status: 127, message: `${program} is not found ${where}` }
}

function placesOf(program: string, { environment, workingFolder = '/' }: RunRequest): string[] {
  if (isAbsolute(program)) return [program]
  if (program.includes('/')) return [resolve(workingFolder, program)]
  return (environment.PATH ?? '').split(':').map(folder => resolve(workingFolder, folder, program))
}

/** The mode of a file at a path inside; undefined if there is none. */
function fileMode({ root, binds }: RunRequest, path: string): number | undefined {
  const inTree = mountPointAt(root.path, path, true)
  for (const place of [path, inTree?.path ?? path])
    for (const { source, target } of [...binds, ...OF_HOST].reverse())
      if (place.startsWith(`${target}/`)) return modeOf(join(source, place.slice(target.length)))
  return inTree?.isThere === true ? modeOf(join(root.path, inTree.path)) : undefined
}

function modeOf(path: string): number | undefined {
  const status = statSync(path, { throwIfNoEntry: false })
  return status?.isFile() ? status.mode : undefined
}
