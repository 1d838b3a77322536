/** Which files of this host a command opens, as strace tells (spec/sources.md#trace). */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeOwnFolder } from '../../../store/disk/index.ts'
import { type PathBytes, pathFromText, StrataError } from '../../../store/values/index.ts'

export interface Traced {
  /** Absolute path of the command itself. */
  command: string
  /** Absolute paths of programs that were started; the command itself is the first, unless it is left out. */
  programs: string[]
  /** Absolute paths that were opened for reading, as the programs named them. */
  files: PathBytes[]
  /** Absolute paths of which programs asked only whether they are there, and what they are. */
  asked: PathBytes[]
  /** Programs and files that were not taken because of the folder that they lie in. */
  leftOut: LeftOut[]
}

export interface LeftOut {
  path: PathBytes
  /** The folder whose files no trace takes. */
  below: PathBytes
}

/** Calls that read files, or ask whether they are there: Python wants a source beside each compiled file, and opens one. */
const CALLS =
  'trace=open,openat,openat2,execve,execveat,readlink,readlinkat,stat,lstat,newfstatat,statx,access,faccessat,faccessat2'

/**
 * Runs the command as it is, on this host.
 * @throws StrataError TOOL_MISSING, STEP_FAILED
 */
export function traceCommand(command: string[]): Traced {
  const folder = makeOwnFolder(tmpdir(), 'compose-trace-')
  try {
    const options = ['-ff', '-qqq', '-y', '-e', 'signal=none', '-e', CALLS, '-o', join(folder.path, 'calls')]
    const { error, status, signal } = spawnSync('strace', [...options, '--', ...command], {
      stdio: ['inherit', 2, 2]
    })
    if (error !== undefined) throw withoutStrace(error)
    if (status !== 0)
      throw new StrataError('STEP_FAILED', {
        message: `${command[0]} ended ${signal === null ? `with status ${status}` : `by ${signal}`}, so nothing was published`,
        facts: { command: command[0], ...(status !== null && { status }) },
        hint: 'what it printed stands above; compose import MODULE --trace -- CMD with a command that succeeds'
      })
    return readTrace(folder.path)
  } finally {
    folder.remove()
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
  // The first process has the lowest number, unless numbers began anew; its first call starts the command.
  const names = readdirSync(folder).sort((a, b) => numberOf(a) - numberOf(b))
  const calls = names.flatMap(name => callsIn(readFileSync(join(folder, name), 'latin1')))
  const pathsOf = (kind: Call['kind']) =>
    new Set(calls.flatMap(call => (call.kind === kind ? [call.path] : [])))
  const [started, read, asked, written] = [
    pathsOf('started'),
    pathsOf('read'),
    pathsOf('asked'),
    pathsOf('written')
  ]
  const placeOf = placesLeftOut(folder)
  const isTaken = (path: PathBytes) => placeOf(path) === undefined && !written.has(path)
  const inOrder = [...started]
  return {
    command: textOf(inOrder[0]),
    programs: inOrder.filter(path => placeOf(path) === undefined).map(textOf),
    files: [...read].filter(isTaken).sort(),
    asked: [...asked].filter(path => isTaken(path) && !read.has(path) && !started.has(path)).sort(),
    leftOut: [...new Set([...started, ...read])].flatMap(path => {
      const below = placeOf(path)
      return below === undefined || OF_HOST.includes(below) || written.has(path) ? [] : [{ path, below }]
    })
  }
}

const textOf = (path: PathBytes): string => Buffer.from(path, 'latin1').toString()

const numberOf = (name: string): number => Number(name.slice(name.lastIndexOf('.') + 1))

interface Call {
  /** `asked` for calls that open nothing, such as stat and access. */
  kind: 'started' | 'read' | 'asked' | 'written'
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
  const opened = isWritten ? 'written' : 'read'
  const kind = call.startsWith('execve') ? 'started' : call.startsWith('open') ? opened : 'asked'
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

/** What every host has of its own, and what the kernel shows: nobody misses it in a module. */
const OF_HOST: PathBytes[] = [
  ...['/', '/proc', '/sys', '/dev'],
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
const OF_RUN = ['/run', '/tmp', '/var/tmp', '/var/run']

/**
 * Data of the user and of one run are no part of a program.
 * @returns the folder or file because of which a path is left out; undefined for others
 */
function placesLeftOut(folder: string): (path: PathBytes) => PathBytes | undefined {
  const own = [homedir(), realpath(homedir()), tmpdir(), realpath(tmpdir()), folder]
  const roots = [...own.filter(path => path !== '/').map(path => pathFromText(path)), ...OF_RUN, ...OF_HOST]
  return path => roots.find(root => path === root || (root !== '/' && path.startsWith(`${root}/`)))
}

const realpath = (path: string): string => {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
