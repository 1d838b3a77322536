import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'

/** The command as a user runs it: another process, the compiled files. */

export const COMPOSE = fileURLToPath(new URL('../../bundle/compose.cjs', import.meta.url))

export interface Ran {
  status: number | null
  out: string
  err: string
}

export interface RunOptions {
  env?: NodeJS.ProcessEnv
  cwd?: string
  input?: Buffer
  /** User to run as; needs root. */
  uid?: number
}

/** An environment with only the PATH of the tests. */
export const environment = (store: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  COMPOSE_STORE: store,
  ...more
})

export function compose(store: string, args: string[], options: RunOptions = {}): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMPOSE, ...args], {
    env: environment(store, options.env),
    cwd: options.cwd,
    input: options.input ?? '',
    maxBuffer: 1 << 28,
    ...(options.uid !== undefined && { uid: options.uid, gid: options.uid })
  })
  return { status, out: stdout.toString(), err: stderr.toString() }
}

// biome-ignore lint/suspicious/noExplicitAny: the tests look into documents of all commands
export function documentOf(printed: string): any {
  const { schema, ...document } = JSON.parse(printed)
  assert.is(schema, 1)
  return document
}

/** Commands with --json, run by `compose` or in another way (warm-compose.ts). */
export const withDocuments = (run: typeof compose) => ({
  /** The document without the schema number; fails with the command's output if the command fails. */
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into documents of all commands
  composed(store: string, args: string[], options: RunOptions = {}): any {
    const ran = run(store, ['--json', ...args], options)
    assert.is(ran.status, 0, `compose ${args.join(' ')}: ${ran.err}`)
    return documentOf(ran.out)
  },

  /** The error document of a command that must fail with this exit status. */
  composeFails(
    store: string,
    args: string[],
    status: number,
    options: RunOptions = {}
  ): { code: string; message: string; facts: Record<string, string | number | string[]>; hint?: string } {
    const ran = run(store, ['--json', ...args], options)
    assert.is(ran.status, status, `compose ${args.join(' ')}: ${ran.err}${ran.out}`)
    assert.not.match(ran.err, /^ {4}at /m, 'no stack trace')
    return JSON.parse(ran.out).error
  }
})

export const { composed, composeFails } = withDocuments(compose)

export const startCompose = (store: string, args: string[]): ChildProcess =>
  spawn(process.execPath, [COMPOSE, ...args], { env: environment(store), stdio: 'ignore' })
