/**
 * Errors a user can meet. Each has a stable code, and spec/errors.md lists every code with its exit status
 * (a test compares the two). Programmer mistakes stay TypeError or RangeError.
 */
import { showText } from './path-bytes.ts'

/** Exit status of each error code (spec/errors.md#codes). */
export const EXIT_STATUS = {
  USAGE: 2,
  IO: 1,
  STORE_MISSING: 10,
  STORE_VERSION: 10,
  STORE_EXISTS: 10,
  STORE_READONLY: 10,
  STORE_BUSY: 10,
  BLOB_MISSING: 11,
  BLOB_CORRUPT: 12,
  OBJECT_CORRUPT: 12,
  STORE_FOLDER: 12,
  GC_UNSAFE: 12,
  MANIFEST_INVALID: 13,
  MODULE_UNKNOWN: 14,
  MODULE_CHOICE: 14,
  NOT_LOADED: 14,
  COLLECTION_UNKNOWN: 14,
  PIN_UNKNOWN: 14,
  MODULE_EXISTS: 15,
  PIN_EXISTS: 15,
  MODULE_NAME: 2,
  SPEC_INVALID: 16,
  ACCESS_DENIED: 17,
  STORE_ACCESS: 18,
  ACCESS_GROUP: 18,
  NOT_REDISTRIBUTABLE: 19,
  TAR_INVALID: 20,
  STREAM_INVALID: 21,
  LIMIT_EXCEEDED: 22,
  ACL_INVALID: 23,
  ACL_TEXT: 23,
  ATTRIBUTE_TEXT: 24,
  ATTRIBUTE_INVALID: 24,
  NAME_UNKNOWN: 25,
  NAMES_INVALID: 25,
  PATH_MISSING: 26,
  PATH_RESERVED: 26,
  PACKAGE_MISSING: 26,
  PRIVILEGED: 27,
  SOURCE_CHANGED: 28,
  SOURCE_INVALID: 29,
  SOURCE_CHOICE: 29,
  LOCK_INVALID: 40,
  LOCK_MISMATCH: 41,
  STACK_MISSING: 42,
  STACK_INVALID: 42,
  MODULE_CONFLICT: 43,
  ACCESS_WIDER: 44,
  CONFLICT: 30,
  IMAGE_INVALID: 31,
  IMAGE_LIMIT: 32,
  IMAGE_ACCESS: 33,
  SANDBOX_EXISTS: 34,
  SANDBOX_FILESYSTEM: 35,
  SANDBOX_INVALID: 36,
  OUTPUT_EXISTS: 37,
  RUNTIME_MISSING: 50,
  LAUNCH_FAILED: 50,
  MOUNT_TARGET: 52,
  MOUNT_UNPROVEN: 53,
  MOUNT_FAILED: 54,
  SETTINGS_INVALID: 51,
  DEFINITION_INVALID: 52,
  STEP_FAILED: 53,
  CACHE_UNSAFE: 51,
  FOLDER_UNSAFE: 51,
  REFERENCE_NAME: 2,
  REGISTRY_UNREACHABLE: 60,
  REGISTRY_DENIED: 61,
  REGISTRY_UNKNOWN: 62,
  REGISTRY_INVALID: 63,
  TAG_EXISTS: 64,
  SIGNATURE_MISSING: 70,
  SIGNATURE_INVALID: 71,
  SIGNER_NOT_ALLOWED: 72,
  KEY_REVOKED: 73,
  KEY_EXPIRED: 74,
  RECORD_WITHDRAWN: 75,
  POLICY_INVALID: 76,
  TOOL_MISSING: 77,
  SIGNING_FAILED: 78,
  SIGHUP: 129,
  SIGINT: 130,
  SIGTERM: 143
} as const satisfies Record<string, number>

export type ErrorCode = keyof typeof EXIT_STATUS

/** Facts are printed one a line below the message, in the order given. */
export type Facts = Record<string, string | number | string[]>

export interface ErrorDetails {
  message: string
  facts?: Facts
  /** The next command to type, or what to change. */
  hint?: string
  cause?: unknown
}

/** Text from an input may stand in any fact, so it is escaped: it cannot control the terminal or fake a line. */
const escapeFacts = (facts: Facts): Facts =>
  Object.fromEntries(Object.entries(facts).map(([label, value]) => [showText(label), escapeFact(value)]))

const escapeFact = (value: Facts[string]): Facts[string] =>
  typeof value === 'number' ? value : typeof value === 'string' ? showText(value) : value.map(showText)

export class StrataError extends Error {
  readonly code: ErrorCode
  readonly facts: Facts
  readonly hint: string | undefined

  constructor(code: ErrorCode, { message, facts = {}, hint, cause }: ErrorDetails) {
    super(showText(message), cause === undefined ? undefined : { cause })
    this.name = 'StrataError'
    this.code = code
    this.facts = escapeFacts(facts)
    this.hint = hint?.split('\n').map(showText).join('\n')
  }

  get exitStatus(): number {
    return EXIT_STATUS[this.code]
  }
}

/** True if access to the file is limited to groups that the user is not in. */
export const isDenied = (error: unknown): error is StrataError =>
  error instanceof StrataError && error.code === 'ACCESS_DENIED'
