/** Programs that keep credentials: `docker-credential-NAME get|store|erase`, which talk JSON (docker-credential-helpers). */
import { spawnSync } from 'node:child_process'
import { isMap, StrataError } from '../values/index.ts'
import type { Credentials } from './auth-file.ts'

const LONGEST_ANSWER = 1 << 20
const PATIENCE_MS = 60_000

/** The user name by which a helper says that the secret is a token of the account. */
const TOKEN_NAME = '<token>'

/** @returns undefined if the helper has nothing under this key; @throws StrataError REGISTRY_DENIED */
export function askHelper(
  helper: string,
  key: string,
  environment: NodeJS.ProcessEnv
): Credentials | undefined {
  const { status, stdout, stderr } = runHelper(helper, 'get', key, environment)
  if (status !== 0) {
    if (/credentials not found|no credentials/i.test(`${stdout}${stderr}`)) return undefined
    throw failed(helper, 'get', `${stderr || stdout}`.trim() || `status ${status}`)
  }
  let answer: unknown
  try {
    answer = JSON.parse(stdout)
  } catch {
    answer = undefined // its error would show the secret
  }
  if (!isMap(answer) || typeof answer.Username !== 'string' || typeof answer.Secret !== 'string')
    throw failed(helper, 'get', 'the answer is not {"Username": …, "Secret": …}')
  if (answer.Username === '' && answer.Secret === '') return undefined
  if (answer.Username === TOKEN_NAME) return { username: '', password: '', identityToken: answer.Secret }
  return { username: answer.Username, password: answer.Secret }
}

/** @throws StrataError REGISTRY_DENIED */
export function tellHelper(
  helper: string,
  { key, credentials }: { key: string; credentials: Credentials },
  environment: NodeJS.ProcessEnv
): void {
  const entry = { ServerURL: key, Username: credentials.username, Secret: credentials.password }
  const { status, stdout, stderr } = runHelper(helper, 'store', JSON.stringify(entry), environment)
  if (status !== 0) throw failed(helper, 'store', `${stderr || stdout}`.trim() || `status ${status}`)
}

/** @throws StrataError REGISTRY_DENIED */
export function eraseInHelper(helper: string, key: string, environment: NodeJS.ProcessEnv): void {
  const { status, stdout, stderr } = runHelper(helper, 'erase', key, environment)
  if (status !== 0) throw failed(helper, 'erase', `${stderr || stdout}`.trim() || `status ${status}`)
}

function runHelper(helper: string, action: string, input: string, environment: NodeJS.ProcessEnv) {
  const { status, stdout, stderr, error } = spawnSync(`docker-credential-${helper}`, [action], {
    input,
    env: environment,
    encoding: 'utf8',
    maxBuffer: LONGEST_ANSWER,
    timeout: PATIENCE_MS
  })
  // A helper need not read its input: EPIPE says nothing about how it ended.
  if (error !== undefined && status === null)
    throw failed(helper, action, (error as NodeJS.ErrnoException).code ?? error.message)
  return { status, stdout, stderr }
}

const failed = (helper: string, action: string, fault: string): StrataError =>
  new StrataError('REGISTRY_DENIED', {
    message: `docker-credential-${helper} ${action}: ${fault.slice(0, 300)}`,
    facts: { helper: `docker-credential-${helper}` },
    hint: 'install the program, or take its name out of credHelpers and credsStore of your container settings'
  })
