/** Runs the command below `io-shim.c`: kills it at the N-th change, fails calls, records all that it changes. */
import { execFileSync, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { COMPOSE, environment } from '../helpers/compose.ts'
import { scratch } from '../helpers/scratch.ts'
import { type Change, parseChanges } from './changes.ts'

const SOURCE = fileURLToPath(new URL('../../../test/crash/io-shim.c', import.meta.url))

let compiled: { folder: string; library: string } | undefined

/** The library, compiled once in each process. */
function shim(): { folder: string; library: string } {
  if (compiled !== undefined) return compiled
  const folder = scratch()
  const library = join(folder, 'io-shim.so')
  const flags = ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror']
  execFileSync('gcc', [...flags, '-o', library, SOURCE, '-ldl', '-lpthread'])
  compiled = { folder, library }
  return compiled
}

export interface Watch {
  /** Kill before this change, counted from 1. */
  killAt?: number
  /** A signal before this change, which the command sees when it next looks. */
  stopAt?: number
  signal?: keyof typeof constants.signals
  /** The write that is killed has done half of its work. */
  torn?: boolean
  /** Changes from the first to the last of these fail so. */
  fail?: { from: number; to: number; errno: number }
  /** Each write does this many bytes at most. */
  shortBytes?: number
  /** Only these calls count. */
  calls?: string[]
  environment?: NodeJS.ProcessEnv
  /** Record what was written. */
  withData?: boolean
}

export interface Watched {
  status: number | null
  signal: NodeJS.Signals | null
  out: string
  err: string
  changes: Change[]
}

const optional = (name: string, value: string | number | undefined): NodeJS.ProcessEnv =>
  value === undefined ? {} : { [name]: String(value) }

let runs = 0

/** @param world folder that the command works in; its store is `store` */
export async function watched(world: string, args: string[], watch: Watch = {}): Promise<Watched> {
  const { folder, library } = shim()
  const log = join(folder, `log-${++runs}`)
  const { fail, stopAt, signal: stopSignal = 'SIGINT' } = watch
  const child = spawn(process.execPath, [COMPOSE, ...args], {
    cwd: world,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(join(world, 'store'), {
      ...watch.environment,
      LD_PRELOAD: library,
      IO_SHIM_ROOT: world,
      IO_SHIM_LOG: log,
      UV_USE_IO_URING: '0', // its calls are no calls of the library
      UV_THREADPOOL_SIZE: '1', // the N-th change is the same one in each run
      ...optional('IO_SHIM_KILL', watch.killAt),
      ...optional('IO_SHIM_STOP', stopAt && `${stopAt},${constants.signals[stopSignal]}`),
      ...optional('IO_SHIM_TORN', watch.torn ? 1 : undefined),
      ...optional('IO_SHIM_DATA', watch.withData ? 1 : undefined),
      ...optional('IO_SHIM_SHORT', watch.shortBytes),
      ...optional('IO_SHIM_CALLS', watch.calls?.join(',')),
      ...optional('IO_SHIM_FAIL', fail && `${fail.from},${fail.to},${fail.errno}`)
    })
  })
  let out = ''
  let err = ''
  child.stdout.on('data', data => {
    out += data
  })
  child.stderr.on('data', data => {
    err += data
  })
  const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(resolve =>
    child.on('close', (...ended) => resolve(ended))
  )
  const bytes = await readFile(log).catch(() => Buffer.alloc(0)) // killed before the first change, or nothing changed
  rmSync(log, { force: true })
  return { status, signal, out, err, changes: parseChanges(bytes) }
}
