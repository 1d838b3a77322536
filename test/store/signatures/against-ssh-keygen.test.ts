/**
 * Signatures, files of signers and revocation lists, right and mutated, put to `ssh-keygen -Y verify` and to ours. Ours
 * must never take what ssh-keygen refuses, and refuses what it takes only for the reasons that spec/signatures.md lists.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { parseSigners, refusalOf } from '../../../store/signatures/allowed-signers.ts'
import { matchesPatternList } from '../../../store/signatures/pattern-list.ts'
import { parseRevokedKeys } from '../../../store/signatures/revoked-keys.ts'
import { decodeSignature, verifyMessage } from '../../../store/signatures/sshsig.ts'
import { WireFault, wireString } from '../../../store/signatures/wire.ts'
import { atCheckSize, needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import {
  armor,
  armorBlob,
  blobOf,
  fileKey,
  type Question,
  ssh,
  sshAnswers,
  type TestKey,
  tokenKey
} from './ssh-material.ts'

const against = suite('ssh-keygen -Y verify and ours')
const withSsh = needing(against, 'ssh-keygen')
const long = atCheckSize(withSsh)

/** The answer, and what stood against the signature or against lines of the other files. */
function ours({ message, signature, signers, principal, namespace, revoked, nowMs }: Question) {
  const reasons: string[] = []
  const refuse = (error: unknown) => {
    if (!(error instanceof WireFault)) throw error
    reasons.push(error.message)
    return { isTaken: false, reasons }
  }
  try {
    const decoded = decodeSignature(signature)
    if (verifyMessage(decoded, message, namespace) === undefined) return { isTaken: false, reasons }
    if (revoked !== undefined && parseRevokedKeys(revoked)(decoded.key) !== undefined)
      return { isTaken: false, reasons }
    const { lines, faults } = parseSigners(signers)
    reasons.push(...faults.map(fault => fault.message))
    const isTaken = lines.some(
      line =>
        line.key.digest === decoded.key.digest &&
        matchesPatternList(principal, line.principals) &&
        refusalOf(line, namespace, nowMs) === undefined
    )
    return { isTaken, reasons }
  } catch (error) {
    return refuse(error)
  }
}

/** spec/signatures.md#stricter */
const STRICTER = [
  /^version 0 of the form/,
  /^the reserved field is not empty/,
  /^keys of type .* are not read/,
  /^an RSA key has \d+ bits/,
  /is a certificate/,
  /not printable ASCII/,
  /^a signature of type webauthn-sk-/,
  /which is not a time after 1970$/,
  /^valid-(after|before) is ".*", wanted/i,
  /^the key is of type .*, but the line says/,
  /has a byte of zero/
]

const NOW = Date.UTC(2026, 5, 15, 12)
const MESSAGE = Buffer.from('{"category":"app","name":"vasp"}')

let state = 0x5eed
/** The same numbers in every run. */
function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}
const pick = <T>(list: readonly T[]): T => list[random(list.length)]

interface Material {
  keys: TestKey[]
  /** By key and hash. */
  signatures: Map<TestKey, Buffer[]>
  krls: Buffer[]
}

function material(folder: string): Material {
  const keys = [
    fileKey(folder, 'ed25519', 256),
    fileKey(folder, 'ecdsa', 256),
    fileKey(folder, 'ecdsa', 384),
    fileKey(folder, 'ecdsa', 521),
    fileKey(folder, 'rsa', 2048),
    tokenKey('ed25519'),
    tokenKey('ecdsa')
  ]
  const signatures = new Map(
    keys.map(key => [
      key,
      (['sha256', 'sha512'] as const).map(hash => key.sign(MESSAGE, 'strata-module', hash))
    ])
  )
  return { keys, signatures, krls: krlsOf(folder, keys) }
}

function krlsOf(folder: string, keys: TestKey[]): Buffer[] {
  const list = join(folder, 'list')
  const made = keys.slice(0, 4).flatMap(({ text }, i) =>
    ['', 'sha1: ', 'sha256: '].map((form, j) => {
      const krl = join(folder, `krl-${i}-${j}`)
      writeFileSync(list, `${form}${text}\n`)
      ssh(['-q', '-k', '-f', krl, list])
      return readFileSync(krl)
    })
  )
  writeFileSync(list, 'serial: 1-9\nid: somebody\n')
  ssh(['-q', '-k', '-f', join(folder, 'krl-certs'), '-s', `${folder}/ed25519-256.pub`, list])
  return [...made, readFileSync(join(folder, 'krl-certs'))]
}

function flip(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  if (copy.length === 0) return copy
  const at = random(copy.length)
  copy[at] ^= 1 << random(8)
  return copy
}

/** A text with one character changed, taken out, doubled, or a word of these files put in. */
function edit(text: string): string {
  const at = random(text.length + 1)
  const words = [
    ' ',
    '"',
    ',',
    '#',
    '!',
    '*',
    '?',
    '\\"',
    '\t',
    '\r',
    '\n',
    '=',
    'Z',
    '0',
    'cert-authority ',
    'namespaces=',
    '\0'
  ]
  return pick([
    () => text.slice(0, at) + text.slice(at + 1),
    () => text.slice(0, at) + pick(words) + text.slice(at),
    () => text.slice(0, at) + String.fromCharCode(32 + random(95)) + text.slice(at + 1),
    () => text.slice(0, at) + text.slice(at, at + 9) + text.slice(at)
  ])()
}

/** The strings of a blob behind its version. */
function fieldsOf(blob: Buffer): Buffer[] {
  const fields: Buffer[] = []
  for (let at = 10; at + 4 <= blob.length; ) {
    const end = at + 4 + blob.readUInt32BE(at)
    fields.push(blob.subarray(at + 4, end))
    at = end
  }
  return fields
}

function mutatedSignature(right: Buffer, { keys, signatures }: Material): Buffer {
  const blob = blobOf(right)
  const fields = fieldsOf(blob)
  const at = random(fields.length)
  const rebuilt = (change: (field: Buffer) => Buffer, version?: number) =>
    armor(
      fields.map((field, i) => wireString(i === at ? change(field) : field)),
      version
    )
  const foreign = fieldsOf(blobOf(pick(signatures.get(pick(keys))!)))
  return pick([
    () => armorBlob(flip(blob)),
    () => rebuilt(flip),
    () => rebuilt(field => field.subarray(0, random(field.length + 1))),
    () => rebuilt(field => Buffer.concat([field, Buffer.from([random(256)])])),
    () => rebuilt(() => foreign[at]),
    () => rebuilt(field => field, random(3)),
    () => armorBlob(blob.subarray(0, random(blob.length))),
    () => armorBlob(Buffer.concat([blob, Buffer.from([0])])),
    () => Buffer.from(edit(right.toString('latin1')), 'latin1'),
    () => Buffer.from(right.toString('latin1').replaceAll('\n', '\r\n'), 'latin1'),
    () => Buffer.concat([right, Buffer.from('trailing text\n')])
  ])()
}

const TIMES = [
  '20260615',
  '20260616Z',
  '202606151200',
  '202606151200Z',
  '20260615115959Z',
  '20260615120001Z',
  '20200101',
  '20300101UTC',
  '20260231',
  '2026',
  '19690101Z'
]

function signerOption(): string {
  return pick([
    () => 'namespaces="strata-*"',
    () => 'namespaces="git,strata-module"',
    () => 'namespaces="!strata-lock,*"',
    () => `namespaces="${pick(['', 'git', 'strata-lock', '*,!strata-module'])}"`,
    () => `valid-after="${pick(TIMES)}"`,
    () => `valid-before="${pick(TIMES)}"`,
    () => `Valid-Before="${pick(TIMES)}"`,
    () => 'cert-authority',
    () => pick(['no-touch-required', 'namespaces=x', 'expiry-time="20300101"'])
  ])()
}

function signerLine(keys: TestKey[]): string {
  const principals = pick([
    'alice@site',
    'bob@site,alice@site',
    '*@site',
    '"alice@site"',
    '!alice@site,*',
    'alice@*,!*@site',
    'a?ice@site',
    '*',
    'Alice@site',
    '"al ice",alice@site',
    'alice@site,'
  ])
  const count = pick([0, 0, 0, 1, 1, 2, 3])
  const options = Array.from({ length: count }, signerOption).join(',')
  return [
    principals,
    ...(options === '' ? [] : [options]),
    pick(keys).text,
    ...pick([[], ['a comment'], ['"odd']])
  ].join(pick([' ', ' ', '  ', '\t']))
}

function signersFile({ keys }: Material): string {
  const lines = Array.from({ length: 1 + random(6) }, () =>
    pick([() => signerLine(keys), () => signerLine(keys), () => '# nobody', () => ''])()
  )
  const text = `${lines.join(pick(['\n', '\n', '\r\n']))}${pick(['\n', ''])}`
  return random(4) === 0 ? edit(text) : text
}

function revocation({ keys, krls }: Material): Buffer | undefined {
  const list = () => Buffer.from(['# lost', pick(keys).text, pick(keys).text, ''].join('\n'), 'latin1')
  return pick([
    () => undefined,
    () => undefined,
    () => list(),
    () => Buffer.from(edit(list().toString('latin1')), 'latin1'),
    () => pick(krls),
    () => flip(pick(krls)),
    () => pick(krls).subarray(0, random(200))
  ])()
}

/** Mostly right in all but one part, since a question that is wrong in two parts asks only about one. */
function question(made: Material): Question {
  const key = pick(made.keys)
  const right = pick(made.signatures.get(key)!)
  const kind = random(3)
  const plain = { message: MESSAGE, principal: 'alice@site', namespace: 'strata-module', nowMs: NOW }
  const signers = `alice@site ${key.text}\n`
  if (kind === 0) return { ...plain, signers, signature: mutatedSignature(right, made) }
  if (kind === 1) {
    const principal = pick(['alice@site', 'alice@site', 'alice@site', 'bob@site', 'al ice'])
    return { ...plain, principal, signature: right, signers: signersFile(made) }
  }
  const message = random(8) === 0 ? flip(MESSAGE) : MESSAGE
  const namespace = random(8) === 0 ? 'strata-lock' : 'strata-module'
  return { ...plain, message, namespace, signature: right, signers, revoked: revocation(made) }
}

long('agree on signatures, files of signers and revocation lists that were mutated', () => {
  const made = material(scratch())
  const folder = scratch()
  const counts = { taken: 0, refused: 0, stricter: 0 }
  for (let i = 0; i < bySize(100, 3000); i++) {
    const asked = question(made)
    const theirs = sshAnswers(folder, asked)
    const { isTaken, reasons } = ours(asked)
    if (theirs === isTaken) counts[isTaken ? 'taken' : 'refused']++
    else {
      const shown = `question ${i}: ssh-keygen ${theirs ? 'takes' : 'refuses'} it, unlike ours (${reasons.join('; ')})\n${asked.signers}\n${asked.signature}\n${asked.revoked?.toString('hex')}`
      assert.ok(theirs && reasons.some(reason => STRICTER.some(known => known.test(reason))), shown)
      counts.stricter++
    }
  }
  console.log(
    `  ${counts.taken} taken, ${counts.refused} refused by both, ${counts.stricter} refused by ours alone`
  )
  assert.ok(
    counts.taken > bySize(10, 300) && counts.refused > bySize(10, 300),
    'the questions are of both kinds'
  )
})

withSsh('take signatures of every kind of key with both hashes', () => {
  const folder = scratch()
  const made = material(folder)
  const keys = [...made.keys, fileKey(folder, 'rsa', 3072)]
  for (const key of keys)
    for (const hash of ['sha256', 'sha512'] as const) {
      const signature = key.sign(MESSAGE, 'strata-module', hash)
      const asked: Question = {
        message: MESSAGE,
        signature,
        signers: `alice@site ${key.text}\n`,
        principal: 'alice@site',
        namespace: 'strata-module',
        nowMs: NOW
      }
      assert.ok(sshAnswers(folder, asked), `${key.name} ${hash}: ssh-keygen`)
      assert.ok(ours(asked).isTaken, `${key.name} ${hash}: ours`)
    }
})

withSsh('ours tells signatures of FIDO tokens that nobody touched, which ssh-keygen takes', () => {
  for (const type of ['ed25519', 'ecdsa'] as const)
    for (const flags of [0, 1, 4, 5]) {
      const decoded = decodeSignature(tokenKey(type, flags).sign(MESSAGE, 'strata-module', 'sha512'))
      assert.is(verifyMessage(decoded, MESSAGE, 'strata-module')!.isTouched, (flags & 1) === 1)
    }
})

against('small RSA keys, certificates and keys of other kinds are refused with the reason', () => {
  const words = (type: string) => Buffer.concat([wireString(type), wireString('x')])
  const decode = (key: Buffer) => () =>
    decodeSignature(armor([key, 'strata-module', '', 'sha512', ''].map(part => wireString(part))))
  const small = Buffer.concat([
    wireString('ssh-rsa'),
    wireString(Buffer.from([1, 0, 1])),
    wireString(Buffer.alloc(128, 0x7f))
  ])
  assert.throws(decode(small), /an RSA key has 1023 bits, wanted at least 2048/)
  assert.throws(decode(words('ssh-ed25519-cert-v01@openssh.com')), /is a certificate/)
  assert.throws(decode(words('ssh-dss')), /keys of type ssh-dss are not read, wanted one of ssh-ed25519/)
  assert.throws(decode(words('ED25519')), /keys of type ED25519 are not read/)
})

against.run()
