/**
 * Runs commands one after another in one process (warm-compose.ts): the requests come on one named pipe, their statuses go
 * to another. Between two commands, the environment, the folder and the umask are set as a new process would have them.
 */
import { openSync, readSync, writeSync } from 'node:fs'

export interface WarmRequest {
  args: string[]
  env: Record<string, string | undefined>
  /** Where the process began, if there is none. */
  cwd?: string
  umask?: string | number
}

const [requestsPipe, statusesPipe] = process.argv.slice(2)
const requests = openSync(requestsPipe, 'r')
const statuses = openSync(statusesPipe, 'w')

// main.ts runs when it is imported: here it is asked for its version, and must not end the process.
const { exit } = process
const beginning = { cwd: process.cwd(), umask: process.umask() }
process.argv = [...process.argv.slice(0, 2), '--version']
process.exit = (() => {}) as typeof exit
process.setMaxListeners(0)
const { main } = await import('../../cli/main.ts')
await new Promise(resolve => setTimeout(resolve, 50))
writeSync(statuses, 'ready\n')

for (;;) {
  const { args, env, cwd = beginning.cwd, umask = beginning.umask }: WarmRequest = JSON.parse(nextLine())
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, env)
  // Another user may stand in a folder that root entered, and not enter it.
  if (cwd !== process.cwd()) process.chdir(cwd)
  process.umask(umask)
  const status = await main(args)
  // Work that nobody waits for ends before the next command begins.
  await new Promise(setImmediate)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal)
  writeSync(statuses, `${status}\n`)
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
