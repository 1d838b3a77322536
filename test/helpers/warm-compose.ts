/**
 * The functions of compose.ts, in a process that stays: a test file with a hundred commands would spend most of its time
 * on their starts. What a command reads from standard input, or does as another user, needs a process of its own.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { compose as coldCompose, documentOf, environment, type Ran, type RunOptions } from './compose.ts'
import { scratch } from './scratch.ts'
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
  if (options.input !== undefined || options.uid !== undefined) return coldCompose(store, args, options)
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

/** As in compose.ts. */
// biome-ignore lint/suspicious/noExplicitAny: the tests look into documents of all commands
export function composed(store: string, args: string[], options: RunOptions = {}): any {
  const ran = compose(store, ['--json', ...args], options)
  assert.is(ran.status, 0, `compose ${args.join(' ')}: ${ran.err}`)
  return documentOf(ran.out)
}

/** As in compose.ts. */
export function composeFails(
  store: string,
  args: string[],
  status: number,
  options: RunOptions = {}
): { code: string; message: string; facts: Record<string, string | number | string[]>; hint?: string } {
  const ran = compose(store, ['--json', ...args], options)
  assert.is(ran.status, status, `compose ${args.join(' ')}: ${ran.err}${ran.out}`)
  return JSON.parse(ran.out).error
}
