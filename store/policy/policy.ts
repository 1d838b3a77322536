/** What a policy says (spec/signatures.md#policy), as values. */
import type { CID } from 'multiformats/cid'
import type { RevokedKeys, SignerLine } from '../signatures/index.ts'

/** The uses of a module that a policy can be asked about. */
export const PURPOSES = ['publish', 'pull', 'build', 'run', 'extract'] as const
export type Purpose = (typeof PURPOSES)[number]

export interface Rule {
  /** Of the policy file, counted from 1. */
  line: number
  /** Patterns of full names; `*` alone is also for layers that are in no module. */
  modules: string[]
  /** Patterns of principals; undefined: nothing is asked. */
  signedBy?: string[]
  /** How many different people with different keys. */
  atLeast: number
}

export interface PolicyText {
  /** The path that its author gave. */
  signers?: string
  revoked?: string
  /** Record id → line. */
  withdrawn: Map<string, number>
  /** The last one is for every module. */
  rules: Rule[]
  when: Set<Purpose>
  /** False if signatures of FIDO tokens count that nobody touched. */
  isTouchRequired: boolean
}

export interface SignerList {
  file: string
  lines: SignerLine[]
}

/** A policy with its lists of keys. */
export interface Policy extends PolicyText {
  /** The whole path. */
  file: string
  /**
   * True for a record, or a layer without one, that the store of the policy holds. Undefined for the host and the user,
   * whose policies are about everything.
   */
  isAbout?: (manifest: CID) => boolean
  /** Read when the first signature is judged. @throws StrataError POLICY_INVALID */
  signerList: () => SignerList
  /** @returns file and line that revoke the key. @throws StrataError POLICY_INVALID */
  isRevoked: RevokedKeys
}
