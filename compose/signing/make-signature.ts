/**
 * Signatures are made by ssh-keygen, so keys in files with a passphrase, in an agent, on FIDO tokens and smart cards
 * all work, and no key is ever read here (spec/signatures.md#signing).
 */
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeOwnFolder } from '../../store/disk/index.ts'
import { NAMESPACE, type Namespace } from '../../store/signatures/index.ts'
import { StrataError } from '../../store/values/index.ts'

export interface SigningRequest {
  message: Uint8Array
  namespace: Namespace
  /** A private key, or a public key whose private half an agent or a token has. By default `usualKey`. */
  key?: string
}

/**
 * The signature, as `ssh-keygen -Y sign` prints it. What ssh-keygen asks (passphrase, touch) goes to the terminal.
 * @throws StrataError TOOL_MISSING, SIGNING_FAILED
 */
export async function makeSignature({ message, namespace, key }: SigningRequest): Promise<Buffer> {
  const named = key ?? process.env.COMPOSE_SIGNING_KEY
  if (named) return runSsh(named, namespace, message)
  const folder = makeOwnFolder(process.env.TMPDIR ?? tmpdir(), 'compose-sign-')
  try {
    const file = join(folder.path, 'key.pub')
    writeFileSync(file, firstKeyOfAgent(), { mode: 0o600 })
    return await runSsh(file, namespace, message)
  } finally {
    folder.remove()
  }
}

/** Signs records with one key. @throws as makeSignature */
export const moduleSigner =
  (key?: string) =>
  (message: Uint8Array): Promise<Buffer> =>
    makeSignature({ message, namespace: NAMESPACE.module, key })

/** The public key that `ssh-add -L` lists first. */
function firstKeyOfAgent(): string {
  const listed: SpawnSyncReturns<string> = spawnSync('ssh-add', ['-L'], { encoding: 'utf8' })
  if ((listed.error as NodeJS.ErrnoException)?.code === 'ENOENT') throw missingTool('ssh-add')
  const [first] = listed.status === 0 ? listed.stdout.split('\n') : []
  if (first) return `${first}\n`
  throw new StrataError('SIGNING_FAILED', {
    message: 'no key to sign with was named, and ssh-add -L lists none of an agent',
    hint: '--key ~/.ssh/id_ed25519, or COMPOSE_SIGNING_KEY; a public key will do if an agent or a token has the other half'
  })
}

/** The message goes to standard input: with the name of a file, ssh-keygen would ask whether to overwrite FILE.sig. */
function runSsh(key: string, namespace: Namespace, message: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn('ssh-keygen', ['-q', '-Y', 'sign', '-f', key, '-n', namespace], {
      stdio: ['pipe', 'pipe', 'inherit']
    })
    const printed: Buffer[] = []
    child.stdout.on('data', piece => printed.push(piece))
    child.stdin.on('error', () => {}) // it ended before it read the message, and its status says why
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? missingTool('ssh-keygen') : error)
    )
    child.on('close', (status, signal) => {
      if (status === 0) resolve(Buffer.concat(printed))
      else reject(signingFailed(key, status ?? signal ?? ''))
    })
    child.stdin.end(message)
  })
}

const signingFailed = (key: string, status: number | string): StrataError =>
  new StrataError('SIGNING_FAILED', {
    message: `ssh-keygen did not sign with ${key} (it ended with ${status}; the lines above are its own)`,
    facts: { key },
    hint: `ssh-keygen -l -f ${key} shows the key; ssh-add -L lists those of the agent`
  })

const missingTool = (program: string): StrataError =>
  new StrataError('TOOL_MISSING', {
    message: `${program} is not installed: it makes the signatures`,
    facts: { program },
    hint: 'install OpenSSH (Debian: openssh-client), 8.2 or later'
  })
