/** SSH signatures of modules and locks: their form, who may sign, and their files in a store (spec/signatures.md). */
export { parseSigners, type Refused, refusalOf, type SignerLine } from './allowed-signers.ts'
export { isLiteral, matchesPattern, matchesPatternList, splitPatterns } from './pattern-list.ts'
export type { PublicKey } from './public-key.ts'
export { parseRevokedKeys, type RevokedKeys } from './revoked-keys.ts'
export {
  type AddedSignature,
  addSignature,
  type CheckedSignature,
  checkSigned,
  readSignature,
  readSignatures,
  signatureFiles,
  soundSignatures
} from './signature-files.ts'
export { NAMESPACE, type Namespace } from './sshsig.ts'
export { WireFault } from './wire.ts'
