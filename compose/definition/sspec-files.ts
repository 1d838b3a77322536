/** Which files of the host an SSPEC file asks for (spec/definitions.md#sspec). */
import { statSync } from 'node:fs'
import type { HostRequest } from '../sources/index.ts'
import { expandPattern } from './copy-files.ts'
import { refuseAt, type Stage } from './parse-definition.ts'
import { bodyOf } from './parse-sspec.ts'

/** Files of the host beside those of the list, which flags name. */
export type MoreOfHost = Omit<HostRequest, 'listed' | 'trace' | 'root'>

type ListedFile = NonNullable<HostRequest['listed']>['files'][number]

/** What each level of `DebugOS` adds to the one before. */
const DEBUG_LEVELS = [
  '/bin/sh',
  'strace',
  'arch cat cp date find id pwd ls ps stat touch uname',
  `awk basename cksum dd df du env expand expr false groups grep head hostid install join link ln ls md5sum mkdir mkfifo
  mknod mktemp mv nice nl nohup nproc numfmt od pathchk top printenv printf readlink realpath rm rmdir runcon sed seq sort
  split stdbuf stty sum sync tac tail tee test tr true tty unexpand uniq unlink users vdir wc who whoami yes vi
  /etc/terminfo /usr/share/terminfo`
].map(names => names.split(/\s+/))
const USUAL_LEVEL = 1

/** Modules of the C library by which programs look up names. */
const NAME_SERVICES = ['libnss_files*', 'libnss_myhostname', 'libnss_dns'].map(name => `${name}.so.*`)
const LIBRARY_FOLDERS = ['/lib*', '/lib*/*', '/usr/lib*', '/usr/lib*/*']

/** The PATH of the importing user is not that of other users. */
const PROGRAM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** @throws StrataError DEFINITION_INVALID with file and line */
export function sspecFiles(
  stage: Stage,
  exec: Exec | undefined,
  file: string,
  more: MoreOfHost
): HostRequest {
  const packages = bodyOf(stage, 'packages').map(({ text, line }) => packageName(text, file, line))
  return {
    ...more,
    packages: [...packages, ...more.packages],
    listed: {
      name: exec?.path,
      files: [
        ...(exec === undefined ? [] : [{ path: exec.path, mustBeThere: true }]),
        ...bodyOf(stage, 'files').flatMap(({ text, line }) => listedAt(text, file, line)),
        ...forDebugging(stage, file)
      ],
      takesNeeds: !says(stage, 'nodeps'),
      takesLocales: !says(stage, 'nolocale')
    }
  }
}

export interface Exec {
  /** Absolute. */
  path: string
  words: string[]
}

/** The program of `Exec`, found where programs are, and its arguments. @throws StrataError DEFINITION_INVALID */
export function execOf({ header }: Stage, file: string): Exec | undefined {
  const { value, line } = header.get('exec') ?? { value: '', line: 1 }
  const [program, ...words] = value.split(/\s+/)
  if (program === '') return undefined
  const path = findProgram(program)
  if (path !== undefined) return { path, words }
  return refuseAt(
    file,
    line,
    `Exec: ${program} is not on this host`,
    `wanted an absolute path, or a program in ${PROGRAM_FOLDERS.join(', ')}`
  )
}

function findProgram(name: string): string | undefined {
  if (name.startsWith('/')) return isThere(name) ? name : undefined
  return name.includes('/') ? undefined : PROGRAM_FOLDERS.map(folder => `${folder}/${name}`).find(isThere)
}

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined

const says = ({ header }: Stage, key: string): boolean => header.get(key)?.value.startsWith('y') === true

function packageName(text: string, file: string, line: number): string {
  if (/^[A-Za-z0-9][\w.+:~-]*$/.test(text)) return text
  return refuseAt(file, line, `"${text.slice(0, 80)}" is not the name of a package`)
}

/** Singularity gave the line to a shell; here it is a path or a pattern, and nothing else. */
function listedAt(text: string, file: string, line: number): ListedFile[] {
  const refuse = (what: string, hint?: string) =>
    refuseAt(file, line, `%files ${text.slice(0, 200)} ${what}`, hint)
  if (!text.startsWith('/')) refuse('is not an absolute path')
  const found = expandPattern(text)
  if (found.some(path => /^\/+$/.test(path))) refuse('is the whole host', 'name the folders that are wanted')
  if (!found.some(isThere)) refuse('is not on this host')
  return found.map(path => ({ path, mustBeThere: false }))
}

/** Programs and libraries that this host lacks are left out. */
function forDebugging({ header }: Stage, file: string): ListedFile[] {
  const { value, line } = header.get('debugos') ?? { value: String(USUAL_LEVEL), line: 1 }
  const level = levelOf(value) ?? refuseAt(file, line, `DebugOS: ${value}: wanted 0 to 9, yes or no`)
  const programs = DEBUG_LEVELS.slice(0, level + 1)
    .flat()
    .flatMap(name => findProgram(name) ?? [])
  const libraries = LIBRARY_FOLDERS.flatMap(folder =>
    NAME_SERVICES.flatMap(name => expandPattern(`${folder}/${name}`))
  )
  return [...programs, ...libraries].map(path => ({ path, mustBeThere: false }))
}

function levelOf(value: string): number | undefined {
  if (value === '') return USUAL_LEVEL
  if (value === 'no') return 0
  if (value === 'yes') return DEBUG_LEVELS.length
  return /^[0-9]$/.test(value) ? Number(value) : undefined
}
