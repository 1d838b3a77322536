/** Decides whether a policy accepts a module, and says why (spec/signatures.md#policy). */
import type { CID } from 'multiformats/cid'
import {
  type CheckedSignature,
  isLiteral,
  matchesPattern,
  matchesPatternList,
  NAMESPACE,
  type PublicKey,
  type Refused,
  refusalOf,
  type SignerLine,
  splitPatterns
} from '../signatures/index.ts'
import { type ErrorCode, formatCid, StrataError } from '../values/index.ts'
import { countPairs } from './count-pairs.ts'
import type { Policy, Rule } from './policy.ts'
import { refusePolicy } from './policy-text.ts'

/** A module, or layers that are in none. */
export interface Subject {
  /** The full name of a module; for layers without a record, some words about them. */
  name: string
  /** Undefined for layers without a record, which nobody can have signed. */
  record?: CID
  layers: readonly CID[]
  /** Called by a rule that asks for signatures. */
  signatures: () => CheckedSignature[]
}

/** What one policy says about one module. */
export interface Verdict {
  policy: Policy
  /** Undefined if the policy is not about the module, or withdraws it. */
  rule?: Rule
  /** What counts for it: people and their keys. */
  counted: SignedBy[]
  /** Undefined if it is accepted. */
  error?: StrataError
}

export interface SignedBy {
  key: PublicKey
  principals: string[]
}

/** A signature that does not count, and the error for it if it was needed. */
interface Rejected {
  code: ErrorCode
  why: string
  key?: PublicKey
  /** File and line of the list that decided. */
  place?: string
  file: string
}

/** @param nowMs time of the check, in milliseconds since 1970 */
export function judge(policy: Policy, subject: Subject, nowMs = Date.now()): Verdict {
  const { record } = subject
  const manifests = record === undefined ? subject.layers : [record]
  if (policy.isAbout !== undefined && !manifests.some(policy.isAbout)) return { policy, counted: [] }
  const error = record && withdrawalOf(policy, { ...subject, record })
  if (error !== undefined) return { policy, counted: [], error }
  const rule = policy.rules.find(({ modules }) => isForModule(modules, subject))!
  if (rule.signedBy === undefined) return { policy, rule, counted: [] }
  assertSomebody(policy, rule)
  const { counted, rejected } = countSignatures(policy, rule, subject, nowMs)
  const found = countPairs(counted.map(({ principals }) => principals))
  if (found >= rule.atLeast) return { policy, rule, counted }
  return { policy, rule, counted, error: tooFew({ policy, rule, subject, found, rejected }) }
}

/** The name of layers without a record fits `*` alone. */
const isForModule = (patterns: string[], { name, record }: Subject): boolean =>
  patterns.some(pattern => pattern === '*' || (record !== undefined && matchesPattern(name, pattern)))

/** Looks for faults that otherwise show when a rule is first used. @throws StrataError POLICY_INVALID */
export function checkPolicy(policy: Policy): void {
  const { lines } = policy.signerList()
  for (const rule of policy.rules) assertSomebody(policy, rule)
  for (const { key } of lines) policy.isRevoked(key)
}

/** A rule that nobody can satisfy is a mistake, such as a misspelt name. @throws StrataError POLICY_INVALID */
function assertSomebody({ file, signerList }: Policy, { line, signedBy = [] }: Rule): void {
  const { file: signers, lines } = signerList()
  for (const wanted of signedBy)
    if (!lines.some(({ principals }) => namesFor([wanted], principals).length > 0))
      refusePolicy(file, [{ line, column: 1, message: `signed-by: nobody in ${signers} is ${wanted}` }])
}

/**
 * The names by which a line of signers satisfies patterns. One of both has to be written out: from two patterns alone
 * nobody could tell which people they stand for.
 */
function namesFor(wanted: string[], principals: string): string[] {
  const written = splitPatterns(principals).filter(
    ({ pattern, isNegated }) => !isNegated && isLiteral(pattern) && matchesPatternList(pattern, principals)
  )
  const ofLine = written
    .map(({ pattern }) => pattern)
    .filter(name => wanted.some(pattern => matchesPattern(name, pattern)))
  const ofRule = wanted.filter(name => isLiteral(name) && matchesPatternList(name, principals))
  return [...new Set([...ofLine, ...ofRule])]
}

function countSignatures(
  policy: Policy,
  rule: Rule,
  subject: Subject,
  nowMs: number
): { counted: SignedBy[]; rejected: Rejected[] } {
  const counted = new Map<string, SignedBy>()
  const rejected: Rejected[] = []
  for (const signature of subject.record === undefined ? [] : subject.signatures()) {
    const found = judgeSignature(policy, rule, signature, nowMs)
    if ('code' in found) rejected.push(found)
    else counted.set(found.key.digest, found)
  }
  return { counted: [...counted.values()], rejected }
}

function judgeSignature(
  policy: Policy,
  { signedBy = [] }: Rule,
  { key, fault, file, isTouched }: CheckedSignature,
  nowMs: number
): SignedBy | Rejected {
  if (key === undefined || fault !== undefined)
    return { code: 'SIGNATURE_INVALID', why: `${file}: ${fault}`, file, ...(key && { key }) }
  const revoked = policy.isRevoked(key)
  if (revoked !== undefined)
    return { code: 'KEY_REVOKED', why: 'the key of a signature is revoked', key, place: revoked, file }
  const { file: list, lines } = policy.signerList()
  const ofKey = lines.filter(line => line.key.digest === key.digest)
  const named = ofKey.map(line => ({ line, names: namesFor(signedBy, line.principals) }))
  const wanted = named.filter(({ names }) => names.length > 0)
  const valid = wanted.filter(({ line }) => refusalOf(line, NAMESPACE.module, nowMs) === undefined)
  if (valid.length > 0) {
    if (policy.isTouchRequired && !isTouched)
      return { code: 'SIGNER_NOT_ALLOWED', why: 'nobody touched the FIDO token that signed it', key, file }
    return { key, principals: [...new Set(valid.flatMap(({ names }) => names))] }
  }
  const [line] = [...wanted.map(({ line }) => line), ...ofKey]
  const place = line === undefined ? list : `${list}:${line.line}`
  return { ...whyNot(line, wanted.length > 0, nowMs), key, place, file }
}

function whyNot(
  line: SignerLine | undefined,
  isWanted: boolean,
  nowMs: number
): Pick<Rejected, 'code' | 'why'> {
  if (line === undefined)
    return { code: 'SIGNER_NOT_ALLOWED', why: 'it is signed by a key that is not listed' }
  if (!isWanted)
    return {
      code: 'SIGNER_NOT_ALLOWED',
      why: `it is signed by ${line.principals}, whom the rule does not name`
    }
  const refusal = refusalOf(line, NAMESPACE.module, nowMs)!
  const who = `the key of ${line.principals}, which signed it,`
  const words: Record<Refused, string> = {
    namespace: `${who} is not for ${NAMESPACE.module}, but for ${line.namespaces}`,
    authority: `${who} is that of a certificate authority, which signs nothing itself`,
    early: `${who} is not valid yet: from ${showTime(line.validAfter)}`,
    late: `${who} is not valid any more: until ${showTime(line.validBefore)}`
  }
  return {
    code: ['early', 'late'].includes(refusal) ? 'KEY_EXPIRED' : 'SIGNER_NOT_ALLOWED',
    why: words[refusal]
  }
}

const showTime = (seconds = 0): string => new Date(seconds * 1000).toISOString().replace('.000', '')

/** The most telling reason comes first. */
const TELLING: ErrorCode[] = ['KEY_REVOKED', 'KEY_EXPIRED', 'SIGNATURE_INVALID', 'SIGNER_NOT_ALLOWED']

interface TooFew {
  policy: Policy
  rule: Rule
  subject: Subject
  found: number
  rejected: Rejected[]
}

function tooFew({ policy, rule, subject, found, rejected }: TooFew): StrataError {
  const [why] = TELLING.flatMap(code => rejected.find(each => each.code === code) ?? [])
  const { name, record } = subject
  const lack =
    found === 0 && rejected.length === 0
      ? 'is not signed'
      : `has ${found} of ${rule.atLeast} signatures that count`
  return new StrataError(why?.code ?? 'SIGNATURE_MISSING', {
    message: `${name} ${record === undefined ? 'is in no module, so nobody can have signed it' : lack}${why === undefined ? '' : `: ${why.why}`}`,
    facts: {
      ...(record !== undefined && { module: name, record: formatCid(record) }),
      rule: showRule(rule),
      policy: `${policy.file}:${rule.line}`,
      ...(why?.key && { key: `${why.key.fingerprint} (${why.key.type})` }),
      ...(why?.place && { 'decided by': why.place }),
      ...(why && { signature: why.file })
    },
    hint:
      record === undefined
        ? 'compose import publishes it as a module'
        : `compose sign ${formatCid(record)} (by ${rule.signedBy!.join(' or ')})`
  })
}

export const showRule = ({ modules, signedBy, atLeast }: Rule): string =>
  signedBy === undefined
    ? `${modules.join(', ')}: anyone`
    : `${modules.join(', ')}: signed by ${atLeast === 1 ? '' : `${atLeast} of `}${signedBy.join(', ')}`

/** A record under the name by which it is used. */
export interface NamedRecord {
  name: string
  record: CID
}

/** The error for a record that the policy withdraws, if it is about that record. */
export function withdrawalOf(
  { file, isAbout, withdrawn }: Policy,
  { name, record }: NamedRecord
): StrataError | undefined {
  const line = withdrawn.get(formatCid(record))
  if (line === undefined || isAbout?.(record) === false) return undefined
  return new StrataError('RECORD_WITHDRAWN', {
    message: `${name} is withdrawn: its record must not be used any more`,
    facts: { module: name, record: formatCid(record), policy: `${file}:${line}` },
    hint: `compose avail ${name.replace(/-[0-9][^-]*$/, '')} (lists other versions)`
  })
}
