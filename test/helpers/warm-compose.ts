/**
 * The functions of compose.ts, in a process that stays: a test file with a hundred commands would spend most of its time
 * on their starts. What a command reads from standard input needs a process of its own. At the size `all`, every command has
 * one, as for users.
 */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compose as coldCompose, environment, type Ran, type RunOptions, withDocuments } from './compose.ts'
import { scratch } from './scratch.ts'
import { SIZE } from './size.ts'
import type { WarmRequest } from './warm-server.ts'

const SERVER = fileURLToPath(new URL('./warm-server.js', import.meta.url))

interface Server {
  requests: number
  statuses: number
  /** What commands and their programs print, all behind one another. */
  out: number
  err: number
}

/** By the words in front of the program. */
const servers = new Map<string, Server>()

function serverFor(as: string[]): Server {
  const key = as.join(' ')
  const running = servers.get(key)
  if (running !== undefined) return running
  const folder = scratch()
  const pipes = ['requests', 'statuses'].map(name => join(folder, name))
  execFileSync('mkfifo', pipes)
  chmodSync(folder, 0o711)
  for (const pipe of pipes) chmodSync(pipe, 0o666)
  const [out, err] = ['out', 'err'].map(name => openSync(join(folder, name), 'a+'))
  const [program, ...words] = [...as, process.execPath, SERVER, ...pipes]
  const child = spawn(program, words, { stdio: ['ignore', out, err] })
  child.unref()
  // Before the folders are removed, some of which it may hold.
  process.prependListener('exit', () => child.kill('SIGKILL'))
  const requests = openSync(pipes[0], 'r+')
  const statuses = openSync(pipes[1], 'r')
  const server = { requests, statuses, out, err }
  servers.set(key, server)
  nextLine(statuses)
  for (const file of [out, err]) ftruncateSync(file)
  return server
}

/** @returns undefined when nobody can write any more */
function nextLine(fd: number): string | undefined {
  const room = Buffer.alloc(64)
  const length = readSync(fd, room)
  return length === 0 ? undefined : room.subarray(0, length).toString()
}

/** Takes what a file has, and leaves it empty. */
function taken(fd: number): string {
  const text = Buffer.alloc(fstatSync(fd).size)
  readSync(fd, text, 0, text.length, 0)
  ftruncateSync(fd)
  return text.toString()
}

/** Whether a command ends as the program that it starts, which would be the end of the process that stays. */
export const becomesAnother = (args: string[]): boolean =>
  args.some(word => word === 'run' || word === 'shell')

/**
 * Run a command in the process that stays.
 * @param as words that start a program as another user, such as those of setpriv
 */
export function runWarm(request: WarmRequest, as: string[] = []): Ran {
  const { requests, statuses, out, err } = serverFor(as)
  writeSync(requests, `${JSON.stringify(request)}\n`)
  const status = nextLine(statuses)
  // A command whose program was ended by a signal ends so as well.
  if (status === undefined) servers.delete(as.join(' '))
  return { status: status === undefined ? null : Number(status), out: taken(out), err: taken(err) }
}

export function compose(store: string, args: string[], options: RunOptions = {}): Ran {
  if (SIZE === 'all' || options.input !== undefined || options.uid !== undefined)
    return coldCompose(store, args, options)
  return runWarm({ args, env: environment(store, options.env), cwd: options.cwd ?? process.cwd() })
}

export const { composed, composeFails } = withDocuments(compose)
