/** Keys, signatures and files of signers for tests: made by ssh-keygen, and FIDO keys in software. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type ED25519KeyPairOptions,
  generateKeyPairSync,
  type KeyObject,
  sign
} from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { signedBytes } from '../../../store/signatures/sshsig.ts'
import { wireString, wireUnsigned } from '../../../store/signatures/wire.ts'

export interface TestKey {
  name: string
  /** `ssh-ed25519 AAAA…`, without a comment. */
  text: string
  sign(message: Buffer, namespace: string, hash: 'sha256' | 'sha512'): Buffer
}

export const ssh = (args: string[], input?: Buffer): Buffer =>
  execFileSync('ssh-keygen', args, { input, stdio: ['pipe', 'pipe', 'ignore'] })

/** A key that ssh-keygen makes and signs with. */
export function fileKey(folder: string, type: string, bits: number): TestKey {
  const file = join(folder, `${type}-${bits}`)
  ssh(['-q', '-t', type, '-b', String(bits), '-N', '', '-C', '', '-f', file])
  return {
    name: `${type} ${bits}`,
    text: readFileSync(`${file}.pub`, 'latin1').trim(),
    sign: (message, namespace, hash) =>
      ssh(['-q', '-Y', 'sign', '-f', file, '-n', namespace, '-O', `hashalg=${hash}`], message)
  }
}

const TOUCHED = 1

/** A FIDO key without a token: it says what a token would say. */
export function tokenKey(type: 'ed25519' | 'ecdsa', flags = TOUCHED): TestKey {
  const isEd = type === 'ed25519'
  const { privateKey, publicKey } = newKeyPair(isEd)
  const name = isEd ? 'sk-ssh-ed25519@openssh.com' : 'sk-ecdsa-sha2-nistp256@openssh.com'
  const blob = Buffer.concat([wireString(name), ...publicFields(publicKey, isEd), wireString('ssh:')])
  return {
    name: `${name} ${flags}`,
    text: `${name} ${blob.toString('base64')}`,
    sign: (message, namespace, hash) => {
      const signed = signedBytes(namespace, hash, createHash(hash).update(message).digest())
      const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest()
      const statement = Buffer.from([flags, 0, 0, 0, 9])
      const toSign = Buffer.concat([sha256('ssh:'), statement, sha256(signed)])
      const raw = isEd ? sign(null, toSign, privateKey) : ecdsa(toSign, privateKey)
      const signature = Buffer.concat([wireString(name), wireString(raw), statement])
      return armor([
        wireString(blob),
        wireString(namespace),
        wireString(''),
        wireString(hash),
        wireString(signature)
      ])
    }
  }
}

const DER: ED25519KeyPairOptions<'der', 'der'> = {
  publicKeyEncoding: { type: 'spki', format: 'der' },
  privateKeyEncoding: { type: 'pkcs8', format: 'der' }
}

/**
 * The keys go through bytes: Node 20 waits for ever in `export` of a key as generateKeyPairSync returns it, if garbage is
 * collected within. That frees the job which made the key, and the job wants the mutex that `export` holds.
 */
function newKeyPair(isEd: boolean): { privateKey: KeyObject; publicKey: KeyObject } {
  const { privateKey, publicKey } = isEd
    ? generateKeyPairSync('ed25519', DER)
    : generateKeyPairSync('ec', { namedCurve: 'P-256', ...DER })
  return {
    privateKey: createPrivateKey({ key: privateKey, type: 'pkcs8', format: 'der' }),
    publicKey: createPublicKey({ key: publicKey, type: 'spki', format: 'der' })
  }
}

function publicFields(key: KeyObject, isEd: boolean): Buffer[] {
  const { x, y } = key.export({ format: 'jwk' })
  const bytes = (text = '') => Buffer.from(text, 'base64url')
  if (isEd) return [wireString(bytes(x))]
  return [wireString('nistp256'), wireString(Buffer.concat([Buffer.from([4]), bytes(x), bytes(y)]))]
}

function ecdsa(message: Buffer, key: KeyObject): Buffer {
  const raw = sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' })
  const half = (start: number) => {
    const digits = raw.subarray(start, start + 32)
    return wireUnsigned(digits.subarray(digits.findIndex(byte => byte !== 0)))
  }
  return Buffer.concat([half(0), half(32)])
}

/** @param fields of the blob behind its version, encoded */
export const armor = (fields: Buffer[], version = 1): Buffer => {
  const number = Buffer.alloc(4)
  number.writeUInt32BE(version)
  return armorBlob(Buffer.concat([Buffer.from('SSHSIG'), number, ...fields]))
}

export const armorBlob = (blob: Buffer): Buffer => {
  const lines = blob.toString('base64').match(/.{1,70}/g) ?? []
  return Buffer.from(`-----BEGIN SSH SIGNATURE-----\n${lines.join('\n')}\n-----END SSH SIGNATURE-----\n`)
}

export const blobOf = (armored: Buffer): Buffer =>
  Buffer.from(armored.toString('latin1').replace(/-----[^\n]*-----/g, ''), 'base64')

export interface Question {
  message: Buffer
  signature: Buffer
  /** One character a byte. */
  signers: string
  principal: string
  namespace: string
  revoked?: Buffer
  nowMs: number
}

/** What `ssh-keygen -Y verify` answers. */
export function sshAnswers(folder: string, question: Question): boolean {
  mkdirSync(folder, { recursive: true })
  const at = (name: string) => join(folder, name)
  writeFileSync(at('sig'), question.signature)
  writeFileSync(at('signers'), Buffer.from(question.signers, 'latin1'))
  if (question.revoked !== undefined) writeFileSync(at('revoked'), question.revoked)
  const time = new Date(question.nowMs).toISOString().replace(/[-:T]|\.\d+/g, '')
  const args = ['-Y', 'verify', '-f', at('signers'), '-I', question.principal, '-n', question.namespace]
  const more = question.revoked === undefined ? [] : ['-r', at('revoked')]
  const { status } = spawnSync('ssh-keygen', [...args, '-s', at('sig'), `-Overify-time=${time}`, ...more], {
    input: question.message,
    stdio: ['pipe', 'ignore', 'ignore']
  })
  return status === 0
}
