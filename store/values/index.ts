/** Values that all folders share: digests, paths as bytes, profiles, limits, errors. */
export { count, countThatAre } from './count.ts'
export { decodeDagJson, encodeDagJson } from './dag-json.ts'
export {
  blobCid,
  cidFault,
  DAG_JSON,
  type Digest,
  digestOf,
  formatCid,
  manifestCid,
  parseCid,
  parseDigest,
  RAW,
  sha256Of
} from './digest.ts'
export { parseDuration } from './durations.ts'
export { type ErrorCode, EXIT_STATUS, type Facts, isDenied, StrataError } from './errors.ts'
export {
  boolean,
  describe,
  dropUndefined,
  Field,
  Fields,
  integer,
  isMap,
  listOf,
  mapOf,
  matching,
  oneOf,
  parseFields,
  type Reader,
  type Refusal,
  sha256,
  text,
  unlessEmpty
} from './fields.ts'
export { inLanes } from './in-lanes.ts'
export { DEFAULT_LIMITS, type Limits, RATIO_FLOOR_BYTES, UNLIMITED } from './limits.ts'
export {
  type PathBytes,
  pathFromBuffer,
  pathFromText,
  pathToBuffer,
  pathToText,
  showJson,
  showLines,
  showPath,
  showText,
  typedPath
} from './path-bytes.ts'
export { pathBytes, pathNode } from './path-field.ts'
export { detailsAt, type Place, showPlace } from './place.ts'
export {
  type BlockForm,
  COMPRESSOR_ID,
  type Compressor,
  checkProfile,
  compressorOfId,
  DEFAULT_PROFILE,
  IMAGE_COMPRESSOR_ID,
  type ImageCompressor,
  type Profile,
  packingProfile,
  profileKey,
  readProfile
} from './profile.ts'
export { bytesOf, type Stretch } from './stretch.ts'
export {
  ioError,
  nameFileInErrors,
  nameSystemError,
  outputError,
  systemHint,
  systemWords
} from './system-error.ts'
export { trimEnds, trimLast } from './trim.ts'
export {
  type LeftInStores,
  leftInStores,
  notePublished,
  noteUnneeded,
  STOP_SIGNALS,
  type StopSignal,
  type TakenBack,
  takeBackAll,
  whenStopped
} from './unfinished.ts'
export { WorkLimit } from './work-limit.ts'
