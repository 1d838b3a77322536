/**
 * The functions of compose.ts, in a process that stays: a test file with a hundred commands would spend most of its time
 * on their starts. What a command reads from standard input, or does as another user, needs a process of its own. At the size
 * `all`, every command has one, as for users.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compose as coldCompose, environment, type Ran, type RunOptions, withDocuments } from './compose.ts'
import { scratch } from './scratch.ts'
import { SIZE } from './size.ts'
import type { WarmAnswer, WarmRequest } from './warm-server.ts'

const SERVER = fileURLToPath(new URL('./warm-server.js', import.meta.url))

let running: { child: ChildProcess; requests: number; answers: number } | undefined

function server() {
  if (running !== undefined) return running
  const pipes = ['requests', 'answers'].map(name => join(scratch(), name))
  execFileSync('mkfifo', pipes)
  const child = spawn(process.execPath, [SERVER, ...pipes], { stdio: ['ignore', 'inherit', 'inherit'] })
  child.unref()
  process.on('exit', () => child.kill('SIGKILL'))
  const [requests, answers] = pipes.map(pipe => openSync(pipe, 'r+'))
  running = { child, requests, answers }
  return running
}

export function compose(store: string, args: string[], options: RunOptions = {}): Ran {
  if (SIZE === 'all' || options.input !== undefined || options.uid !== undefined)
    return coldCompose(store, args, options)
  const { requests, answers } = server()
  const request: WarmRequest = {
    args,
    env: environment(store, options.env),
    cwd: options.cwd ?? process.cwd()
  }
  writeSync(requests, `${JSON.stringify(request)}\n`)
  const pieces: Buffer[] = []
  for (;;) {
    const room = Buffer.alloc(1 << 16)
    const piece = room.subarray(0, readSync(answers, room))
    pieces.push(piece)
    if (piece.at(-1) === 10) break
  }
  const { status, out, err }: WarmAnswer = JSON.parse(Buffer.concat(pieces).toString())
  return { status, out, err }
}

export const { composed, composeFails } = withDocuments(compose)
