import type { Signer } from '../../store/policy/index.ts'

/** What `compose verify` found. A fault is an error, and then there is no report. */
export interface VerifyReport {
  name: string
  /** Facts that were found right, one per line. */
  checked: string[]
  /** Facts that could not be checked, and why. */
  unchecked: string[]
  /** Who signed the lock, and each module, bottom to top. */
  signatures: SignedPart[]
}

export interface SignedPart {
  /** A module, or the path of a lock. */
  name: string
  /** Of a module. */
  record?: string
  signers: Signer[]
}

export const newReport = (name: string): VerifyReport => ({
  name,
  checked: [],
  unchecked: [],
  signatures: []
})
