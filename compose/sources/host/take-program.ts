/** Takes a program of this host with its interpreters and shared libraries. Nothing is run. */
import { closeSync, readSync } from 'node:fs'
import { type PathBytes, pathFromText, StrataError, showPath } from '../../../store/values/index.ts'
import type { HostTree } from './host-tree.ts'
import type { LibraryFinder } from './libraries.ts'

/** Length of a script's first line that Linux reads (BINPRM_BUF_SIZE). */
const FIRST_LINE_BYTES = 256
/** Limit of interpreters of interpreters in Linux (exec.c). */
const MOST_INTERPRETERS = 5
/** Folders in which `env` looks for a program. The PATH of the importing user is not that of later users. */
const PROGRAM_FOLDERS = ['usr/local/sbin', 'usr/local/bin', 'usr/sbin', 'usr/bin', 'sbin', 'bin']

/**
 * @param typed absolute path of the program
 * @returns its path without links
 * @throws StrataError PATH_MISSING, PACKAGE_MISSING, USAGE, IO
 */
export function takeProgram(tree: HostTree, libraries: LibraryFinder, typed: string): PathBytes {
  if (!typed.startsWith('/'))
    throw new StrataError('USAGE', {
      message: `--host-program ${showPath(pathFromText(typed))} is not an absolute path`,
      hint: '--host-program /usr/bin/tool'
    })
  const what = `--host-program ${showPath(pathFromText(typed))}`
  const real = assertFound(tree.take(pathFromText(typed), { followLast: true }), pathFromText(typed), what)
  takeWhatStarts(tree, libraries, real, MOST_INTERPRETERS)
  return real
}

/**
 * Takes what a file needs to run; nothing for one that is no program.
 * @param real path without links
 * @throws StrataError PATH_MISSING, PACKAGE_MISSING, USAGE, IO
 */
export function takeNeeds(tree: HostTree, libraries: LibraryFinder, real: PathBytes): void {
  if (libraries.elf(real) !== undefined || interpreterOf(tree, real) !== undefined)
    takeWhatStarts(tree, libraries, real, MOST_INTERPRETERS)
}

const takeInterpreter = (libraries: LibraryFinder, path: PathBytes, what: string): PathBytes =>
  assertFound(libraries.takeFile(path), path, what)

function assertFound(real: PathBytes | undefined, path: PathBytes, what: string): PathBytes {
  if (real !== undefined) return real
  throw new StrataError('PATH_MISSING', {
    message: `${what} does not exist, or its links lead nowhere`,
    facts: { path: showPath(path) }
  })
}

function takeWhatStarts(tree: HostTree, libraries: LibraryFinder, real: PathBytes, deep: number): void {
  if (libraries.elf(real) !== undefined) {
    libraries.take(real)
    return
  }
  const words = interpreterOf(tree, real)
  if (words === undefined || deep === 0)
    throw new StrataError('USAGE', {
      message: `/${showPath(real)} is not a program: neither ELF nor a script that names its interpreter`,
      facts: { path: showPath(real) },
      hint: '--include PATH (imports data files)'
    })
  const [interpreter, ...rest] = words
  const taken = takeInterpreter(
    libraries,
    interpreter,
    `${showPath(interpreter)}, the interpreter of /${showPath(real)},`
  )
  takeWhatStarts(tree, libraries, taken, deep - 1)
  const started = interpreter.endsWith('/env') ? startedByEnv(rest) : undefined
  if (started === undefined) return
  const program = findProgram(tree, started)
  if (program === undefined)
    throw new StrataError('PATH_MISSING', {
      message: `${showPath(started)}, which /${showPath(real)} starts by env, is in none of ${PROGRAM_FOLDERS.map(folder => `/${folder}`).join(', ')}`,
      facts: { program: showPath(started) }
    })
  takeWhatStarts(tree, libraries, takeInterpreter(libraries, program, showPath(program)), deep - 1)
}

/** The words after `#!`; undefined for a file that is not a script. */
function interpreterOf(tree: HostTree, real: PathBytes): PathBytes[] | undefined {
  const fd = tree.openForReading(real)
  try {
    const bytes = Buffer.alloc(FIRST_LINE_BYTES)
    const line = bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, 0)).split('\n')[0]
    const words = line
      .slice(2)
      .trim()
      .split(/[ \t]+/)
    return line.startsWith('#!') && words[0].startsWith('/') ? words : undefined
  } finally {
    closeSync(fd)
  }
}

/** Options and variables come before the program (env(1)). */
const startedByEnv = (words: PathBytes[]): PathBytes | undefined =>
  words.find(word => !word.startsWith('-') && !word.includes('='))

const findProgram = (tree: HostTree, name: PathBytes): PathBytes | undefined =>
  name.includes('/')
    ? name
    : PROGRAM_FOLDERS.map(folder => `${folder}/${name}`).find(
        path => tree.resolve(path, { followLast: true }) !== undefined
      )
