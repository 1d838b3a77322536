/**
 * Signatures by keys in PEM files, which `apptainer verify --key` checks (spec/sif.md#signatures). They are made by
 * openssl, so no private key is ever read here.
 */
import { spawnSync } from 'node:child_process'
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeOwnFolder } from '../../store/disk/index.ts'
import { StrataError } from '../../store/values/index.ts'

/** The hash that goes with a type of keys in Apptainer. Ed25519 hashes by itself. */
const HASHES: Record<string, string | null> = { rsa: 'sha256', ec: 'sha256', ed25519: null }

/** A private key in a PEM file. A passphrase is asked on the terminal, each time that the key is used. */
export class PemKey {
  readonly #file: string
  readonly #public: KeyObject
  readonly #hash: string | null
  /** SHA-256 of the public key in DER, as `openssl pkey -pubin -outform DER | sha256sum` prints it. */
  readonly fingerprint: string

  /** @throws StrataError TOOL_MISSING, SIGNING_FAILED */
  constructor(file: string) {
    this.#file = file
    this.#public = createPublicKey(runOpenssl(file, ['pkey', '-in', file, '-pubout']))
    const type = this.#public.asymmetricKeyType ?? 'none'
    if (!(type in HASHES))
      throw signingFailed(file, `its type is ${type}, wanted one of ${Object.keys(HASHES).join(', ')}`)
    this.#hash = HASHES[type]
    const der = this.#public.export({ type: 'spki', format: 'der' })
    this.fingerprint = `sha256:${createHash('sha256').update(der).digest('hex')}`
  }

  /** @throws StrataError SIGNING_FAILED */
  sign(message: Buffer): Buffer {
    const signature = this.#hash === null ? this.#signWhole(message) : this.#signHash(message)
    if (this.isBy(message, signature)) return signature
    throw signingFailed(this.#file, 'what openssl made is not a signature by this key')
  }

  isBy(message: Buffer, signature: Buffer): boolean {
    return verify(this.#hash, message, this.#public, signature)
  }

  #signHash(message: Buffer): Buffer {
    return runOpenssl(this.#file, ['dgst', '-sha256', '-sign', this.#file], message)
  }

  /** openssl wants a file for such keys, because it reads the message twice. */
  #signWhole(message: Buffer): Buffer {
    const folder = makeOwnFolder(process.env.TMPDIR ?? tmpdir(), 'compose-sign-')
    try {
      const path = join(folder.path, 'message')
      writeFileSync(path, message, { mode: 0o600 })
      return runOpenssl(this.#file, ['pkeyutl', '-sign', '-inkey', this.#file, '-rawin', '-in', path])
    } finally {
      folder.remove()
    }
  }
}

function runOpenssl(file: string, words: string[], input?: Buffer): Buffer {
  const ran = spawnSync('openssl', words, {
    ...(input && { input }),
    stdio: [input === undefined ? 'inherit' : 'pipe', 'pipe', 'inherit']
  })
  if ((ran.error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT')
    throw new StrataError('TOOL_MISSING', {
      message: 'openssl is not installed: it signs with keys in PEM files',
      facts: { program: 'openssl' },
      hint: 'install OpenSSL, 3.0 or later'
    })
  if (ran.error !== undefined) throw ran.error
  if (ran.status === 0) return ran.stdout
  throw signingFailed(file, `openssl ended with ${ran.status ?? ran.signal} (the lines above are its own)`)
}

const signingFailed = (key: string, why: string): StrataError =>
  new StrataError('SIGNING_FAILED', {
    message: `${key} did not sign: ${why}`,
    facts: { key },
    hint: 'openssl genpkey -algorithm ED25519 -out key.pem makes a key, openssl pkey -in key.pem -pubout its public half'
  })
