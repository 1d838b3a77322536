/** The SIF format of Apptainer (spec/sif.md): a header and descriptors around a SquashFS image. */
export { appendedObject } from './append-object.ts'
export { METADATA_NAME, SIF_HEADER_BYTES, SIF_TYPE } from './format-numbers.ts'
export { isSif, readSif, type SifDescriptor, type SifFile } from './sif-header.ts'
export { encodeSif, PARTITION_START } from './sif-layout.ts'
export {
  encodeEnvelope,
  envelopeMessage,
  SIGNATURE_EXTRA,
  signaturesOf,
  signedMetadata
} from './sif-signature.ts'
