/** Making signatures (spec/signatures.md#signing). */
export { makeSignature, moduleSigner } from './make-signature.ts'
export { PemKey } from './pem-signature.ts'
