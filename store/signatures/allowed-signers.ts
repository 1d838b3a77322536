/**
 * Files of signers in the form of `allowed_signers` (ssh-keygen(1), ALLOWED SIGNERS; spec/signatures.md#signers). One
 * file can serve git, ssh-keygen and a site's policy.
 */
import { matchesPatternList } from './pattern-list.ts'
import { type PublicKey, parseKeyText } from './public-key.ts'
import { readSignerOptions, type SignerOptions } from './signer-options.ts'
import { WireFault } from './wire.ts'

export interface SignerLine extends SignerOptions {
  /** Counted from 1. */
  line: number
  /** List of patterns; often the names of one person. */
  principals: string
  key: PublicKey
}

export interface LineFault {
  line: number
  message: string
}

export interface Signers {
  lines: SignerLine[]
  /** Lines that ssh-keygen would skip with a message. Who reads a policy refuses the file for them. */
  faults: LineFault[]
}

/** @param text one character a byte (latin1) */
export function parseSigners(text: string): Signers {
  const signers: Signers = { lines: [], faults: [] }
  for (const [index, raw] of text.split('\n').entries()) {
    const line = index + 1
    try {
      const read = readLine(raw)
      if (read !== undefined) signers.lines.push({ line, ...read })
    } catch (error) {
      if (!(error instanceof WireFault)) throw error
      signers.faults.push({ line, message: error.message })
    }
  }
  return signers
}

function readLine(raw: string): Omit<SignerLine, 'line'> | undefined {
  if (raw.includes('\0')) throw new WireFault('has a byte of zero')
  const text = raw.replace(/^[ \t\r]+/, '')
  if (text === '' || text.startsWith('#')) return undefined
  const { principals, rest } = readPrincipals(text)
  return { principals, ...readKeyAndOptions(rest) }
}

/** The key may stand at once, or behind options. */
function readKeyAndOptions(text: string): SignerOptions & { key: PublicKey } {
  try {
    return { key: parseKeyText(text).key, isAuthority: false }
  } catch (error) {
    if (!(error instanceof WireFault)) throw error
    const options = /^(?:\\"|"(?:\\"|[^"])*"|[^ \t"])*/.exec(text)![0]
    if (text[options.length] === '"') throw new WireFault('has a quote without an end in the options')
    // Else the first word was meant to be the type of a key.
    if (!/^,|^(cert-authority|namespaces|valid-)/i.test(options)) throw error
    const { key } = parseKeyText(text.slice(options.length).replace(/^[ \t]+/, ''))
    return { key, ...readSignerOptions(options) }
  }
}

/** The first word. Quotes may stand around all of it or its end, and then it may hold blanks. */
function readPrincipals(text: string): { principals: string; rest: string } {
  const end = text.search(/[ \t\r"]/)
  if (end < 0) throw new WireFault('has one word, wanted principals, options and a key')
  if (text[end] !== '"') return { principals: text.slice(0, end), rest: skipBlanks(text.slice(end)) }
  const close = text.indexOf('"', end + 1)
  if (close < 0) throw new WireFault('has a quote without an end in the principals')
  return {
    principals: text.slice(0, end) + text.slice(end + 1, close),
    rest: skipBlanks(text.slice(close + 1))
  }
}

const skipBlanks = (text: string): string => text.replace(/^[ \t\r]+/, '')

/** The reason why a line does not let its key sign. */
export type Refused = 'namespace' | 'early' | 'late' | 'authority'

/** @returns undefined if the line lets its key sign in the namespace at the time, in milliseconds since 1970 */
export function refusalOf(line: SignerLine, namespace: string, nowMs: number): Refused | undefined {
  if (line.isAuthority) return 'authority'
  if (line.namespaces !== undefined && !matchesPatternList(namespace, line.namespaces)) return 'namespace'
  const seconds = Math.floor(nowMs / 1000)
  if (line.validAfter !== undefined && seconds < line.validAfter) return 'early'
  if (line.validBefore !== undefined && seconds > line.validBefore) return 'late'
  return undefined
}
