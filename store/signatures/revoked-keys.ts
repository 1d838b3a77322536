/** Keys that no longer count: a list of public keys, or OpenSSH's binary list (spec/signatures.md#revoked). */
import { createHash } from 'node:crypto'
import { isKrl, parseKrl } from './krl.ts'
import { type PublicKey, parseKeyText } from './public-key.ts'
import { WireFault } from './wire.ts'

/** @returns where the key is revoked: `line 3`, or `the list`; undefined if it is not */
export type RevokedKeys = (key: PublicKey) => string | undefined

/** @throws WireFault with the number of the line: a key that cannot be read might be the one that was stolen */
export function parseRevokedKeys(bytes: Uint8Array): RevokedKeys {
  if (!isKrl(bytes)) return parseKeyList(Buffer.from(bytes).toString('latin1'))
  const { blobs, sha1, sha256 } = parseKrl(bytes)
  return ({ blob, digest }) => {
    const isRevoked =
      blobs.has(blob.toString('latin1')) ||
      sha256.has(digest) ||
      (sha1.size > 0 && sha1.has(createHash('sha1').update(blob).digest('hex')))
    return isRevoked ? 'the list' : undefined
  }
}

function parseKeyList(text: string): RevokedKeys {
  const lines = new Map<string, number>()
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/^[ \t]+/, '')
    if (line === '' || line.startsWith('#')) continue
    try {
      const { key } = parseKeyText(line)
      if (!lines.has(key.digest)) lines.set(key.digest, index + 1)
    } catch (error) {
      if (!(error instanceof WireFault)) throw error
      throw new WireFault(error.message, index + 1)
    }
  }
  return ({ digest }) => (lines.has(digest) ? `line ${lines.get(digest)}` : undefined)
}
