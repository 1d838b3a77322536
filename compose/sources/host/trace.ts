/** Which files of this host a command opens, as strace tells (spec/sources.md#trace). */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from '../../../store/disk/index.ts'
import { type PathBytes, pathFromText, StrataError } from '../../../store/values/index.ts'

export interface Traced {
  /** Absolute paths of programs that were started, in the order of their names; the command itself is the first. */
  programs: string[]
  /** Absolute paths that were read, as the programs named them. */
  files: PathBytes[]
}

/** Calls that read files, or ask whether they are there: Python wants a source beside each compiled file, and opens one. */
const CALLS =
  'trace=open,openat,openat2,execve,execveat,readlink,readlinkat,stat,lstat,newfstatat,statx,access,faccessat,faccessat2'

/**
 * Runs the command as it is, on this host.
 * @throws StrataError TOOL_MISSING, STEP_FAILED
 */
export function traceCommand(command: string[]): Traced {
  const folder = mkdtempSync(join(tmpdir(), 'compose-trace-'))
  try {
    const options = ['-ff', '-qqq', '-y', '-e', 'signal=none', '-e', CALLS, '-o', join(folder, 'calls')]
    const { error, status, signal } = spawnSync('strace', [...options, '--', ...command], {
      stdio: ['inherit', 2, 2]
    })
    if (error !== undefined) throw withoutStrace(error)
    if (status !== 0)
      throw new StrataError('STEP_FAILED', {
        message: `${command[0]} ended ${signal === null ? `with status ${status}` : `by ${signal}`}, so nothing was published`,
        facts: { command: command[0], ...(status !== null && { status }) }
      })
    return readTrace(folder)
  } finally {
    removeTree(folder)
  }
}

const withoutStrace = (cause: Error): StrataError =>
  new StrataError('TOOL_MISSING', {
    message: 'strace, which sees what a program opens, cannot be started',
    facts: { program: 'strace' },
    hint: 'apt-get install strace',
    cause
  })

/** @param folder with a file for each process */
function readTrace(folder: string): Traced {
  const [programs, files, written] = [new Set<string>(), new Set<PathBytes>(), new Set<PathBytes>()]
  // The first process has the lowest number, unless numbers began anew; its first call starts the command.
  const names = readdirSync(folder).sort((a, b) => numberOf(a) - numberOf(b))
  for (const name of names)
    for (const { kind, path } of callsIn(readFileSync(join(folder, name), 'latin1'))) {
      if (kind === 'started') programs.add(Buffer.from(path, 'latin1').toString())
      else (kind === 'read' ? files : written).add(path)
    }
  const isOfSystem = leftOut(folder)
  return {
    programs: [...programs].filter(path => !isOfSystem(pathFromText(path))),
    files: [...files].filter(path => !isOfSystem(path) && !written.has(path)).sort()
  }
}

const numberOf = (name: string): number => Number(name.slice(name.lastIndexOf('.') + 1))

interface Call {
  kind: 'started' | 'read' | 'written'
  /** As bytes, absolute. */
  path: PathBytes
}

/** Calls that succeeded. @param text lines of strace for one process */
export function callsIn(text: string): Call[] {
  const lines = text.split('\n').flatMap(line => parseLine(line) ?? [])
  return lines.flatMap(({ kind, folder, path }, i): Call[] => {
    if (path.startsWith('/')) return [{ kind, path }]
    // strace names no working folder for `execve`; the loader that runs then opens its files from there.
    const from = folder ?? lines.slice(i + 1).find(later => later.isFromWorkingFolder)?.folder
    return from === undefined ? [] : [{ kind, path: `${from}/${path}` }]
  })
}

interface Line extends Call {
  folder?: string
  isFromWorkingFolder: boolean
}

const STRING = /^"((?:[^"\\]|\\.)*)"/
const FOLDER = /^(AT_FDCWD|\d+)<([^>]*)>, "/

function parseLine(line: string): Line | undefined {
  const end = line.lastIndexOf(') = ')
  const call = line.slice(0, Math.max(0, line.indexOf('(')))
  if (call === '' || end < 0 || line.startsWith('-', end + 4) || line.startsWith('?', end + 4))
    return undefined
  const words = line.slice(call.length + 1, end)
  const path = STRING.exec(words.slice(Math.max(0, words.indexOf('"'))))?.[1]
  if (path === undefined || path === '') return undefined
  const [, from, folder] = FOLDER.exec(words) ?? []
  const isWritten = /O_WRONLY|O_CREAT|O_TRUNC/.test(words.slice(words.indexOf('"') + path.length))
  const kind = call.startsWith('execve') ? 'started' : isWritten ? 'written' : 'read'
  return {
    ...{ kind, path: unescaped(path), isFromWorkingFolder: from === 'AT_FDCWD' },
    ...(folder !== undefined && { folder: unescaped(folder) })
  }
}

const LETTERS: Record<string, string> = { n: '\n', t: '\t', r: '\r', v: '\v', f: '\f' }

/** strace writes strings as C does. */
const unescaped = (text: string): string =>
  text.replace(/\\(?:([0-7]{1,3})|x([0-9a-f]{2})|(.))/g, (_, octal?: string, hex?: string, letter = '') => {
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8))
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    return LETTERS[letter] ?? letter
  })

/** What every host and every run has of its own. */
const OF_HOST = [
  ...['/proc', '/sys', '/dev', '/run', '/tmp', '/var/tmp', '/var/run'],
  ...[
    'ld.so.cache',
    'ld.so.preload',
    'passwd',
    'group',
    'hosts',
    'hostname',
    'machine-id',
    'resolv.conf'
  ].map(name => `/etc/${name}`)
]

/** Data of the user are no part of a program. */
function leftOut(folder: string): (path: PathBytes) => boolean {
  const own = [homedir(), realpath(homedir()), tmpdir(), realpath(tmpdir()), folder]
  const roots = [...OF_HOST, ...own.filter(path => path !== '/')].map(path => pathFromText(path))
  return path => roots.some(root => path === root || path.startsWith(`${root}/`)) || path === '/'
}

const realpath = (path: string): string => {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
