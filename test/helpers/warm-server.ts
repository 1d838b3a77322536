/**
 * Runs commands one after another in one process (warm-compose.ts): the requests come on one named pipe, the answers go
 * to another. Between two commands, the environment and the folder are set as a new process would have them.
 */
import { openSync, readSync, writeSync } from 'node:fs'

export interface WarmRequest {
  args: string[]
  env: Record<string, string | undefined>
  cwd: string
}

export interface WarmAnswer {
  status: number
  out: string
  err: string
}

const [requests, answers] = process.argv.slice(2).map(path => openSync(path, 'r+'))
const written = { out: '', err: '' }
const take =
  (key: keyof typeof written) =>
  (text: string | Uint8Array): boolean => {
    written[key] += typeof text === 'string' ? text : Buffer.from(text).toString()
    return true
  }

// main.ts runs when it is imported: here it is asked for its version, and must not end the process.
const { exit } = process
process.argv = [...process.argv.slice(0, 2), '--version']
process.exit = (() => {}) as typeof exit
process.stdout.write = take('out') as typeof process.stdout.write
process.stderr.write = take('err') as typeof process.stderr.write
process.setMaxListeners(0)
const { main } = await import('../../cli/main.ts')
await new Promise(resolve => setTimeout(resolve, 50))

for (;;) {
  const { args, env, cwd }: WarmRequest = JSON.parse(nextLine())
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, env)
  process.chdir(cwd)
  Object.assign(written, { out: '', err: '' })
  const status = await main(args)
  // Work that nobody waits for ends before the next command begins.
  await new Promise(setImmediate)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal)
  const answer: WarmAnswer = { status, ...written }
  writeSync(answers, `${JSON.stringify(answer)}\n`)
}

/** Waits without turning the event loop: no command is at work. */
function nextLine(): string {
  const pieces: Buffer[] = []
  for (;;) {
    const room = Buffer.alloc(1 << 16)
    const piece = room.subarray(0, readSync(requests, room))
    pieces.push(piece)
    if (piece.at(-1) === 10) return Buffer.concat(pieces).toString()
  }
}
