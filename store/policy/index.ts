/** Who has to have signed a module before it is used (spec/signatures.md#policy). */
export { assertTrusted, type Judged, judgeParts, type Part, refuseWithdrawn } from './check-trust.ts'
export { checkPolicy, type NamedRecord, showRule, type Verdict } from './judge.ts'
export type { Purpose } from './policy.ts'
export { listedKeys, readTrust, type Trust } from './trust.ts'
export { readTrusted, type TrustedPlace } from './trusted-file.ts'
export { type Signer, whoSigned } from './who-signed.ts'
