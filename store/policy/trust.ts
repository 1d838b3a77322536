/** The policies that hold here: of the host, of each store that is searched, of the user (spec/signatures.md#policy). */
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { findBlob } from '../contents/index.ts'
import type { StoreRoot } from '../files/index.ts'
import { parseRevokedKeys, parseSigners, type RevokedKeys, WireFault } from '../signatures/index.ts'
import { sha256Of } from '../values/index.ts'
import { type Policy, PURPOSES, type Purpose, type SignerList } from './policy.ts'
import { parsePolicy, refusePolicy } from './policy-text.ts'
import { hostPlace, ownPlace, type PolicyPlace, storePlace } from './trusted-file.ts'

/**
 * No variable of the environment and no flag names another file: whoever could name one could do without. Tests put a
 * file there in a mount namespace of their own.
 */
export const SITE_POLICY = '/etc/strata/policy.yaml'

export interface Trust {
  /** In the order in which they are asked. Every one has to agree. */
  policies: Policy[]
}

/**
 * @param searched the stores whose modules are judged; none for an image without a store
 * @param into the store that gets a record: its policy is about a record that it does not hold yet, too
 * @throws StrataError POLICY_INVALID for a file that is wrong, or that somebody else could write
 */
export async function readTrust(searched: StoreRoot[], into?: string): Promise<Trust> {
  const me = process.geteuid!()
  const policies = [
    await readPolicy(hostPlace(SITE_POLICY, [0])),
    ...(await Promise.all(
      searched.map(store =>
        readPolicy(storePlace(store.root), store.root === into ? undefined : aboutStore(store))
      )
    )),
    await readPolicy(ownPlace(userPolicy(), [...new Set([0, me])]))
  ]
  return { policies: policies.filter(policy => policy !== undefined) }
}

/**
 * SHA-256 of the keys that lists of signers name; undefined if no policy has a list.
 * @param purposes a list of a policy that is about none of them counts only if it can be read
 * @throws StrataError POLICY_INVALID
 */
export function listedKeys(
  { policies }: Trust,
  purposes: readonly Purpose[] = PURPOSES
): Set<string> | undefined {
  const lists = policies.flatMap(policy => {
    if (policy.signers === undefined) return []
    try {
      return [policy.signerList()]
    } catch (error) {
      if (isAbout(policy, purposes)) throw error
      return []
    }
  })
  if (lists.length === 0) return undefined
  return new Set(lists.flatMap(({ lines }) => lines.map(({ key }) => key.digest)))
}

export const isAbout = ({ when }: Policy, purposes: readonly Purpose[]): boolean =>
  purposes.some(purpose => when.has(purpose))

function userPolicy(): string {
  const config = process.env.XDG_CONFIG_HOME
  return join(config?.startsWith('/') ? config : join(homedir(), '.config'), 'strata/policy.yaml')
}

/** The policy of a store is about the records that this store holds. */
const aboutStore =
  (store: StoreRoot) =>
  (id: CID): boolean =>
    findBlob({ ...store, searched: [store] }, sha256Of(id)) !== undefined

async function readPolicy(place: PolicyPlace, isAbout?: (id: CID) => boolean): Promise<Policy | undefined> {
  const bytes = place.read()
  if (bytes === undefined) return undefined
  const text = await parsePolicy(bytes, place.file)
  const signers = text.signers === undefined ? undefined : once(() => readSigners(place, text.signers!))
  const revoked = text.revoked === undefined ? undefined : once(() => readRevoked(place, text.revoked!))
  return {
    ...text,
    file: place.file,
    ...(isAbout && { isAbout }),
    signerList: () => signers?.() ?? { file: place.file, lines: [] },
    isRevoked: key => {
      const list = revoked?.()
      const where = list?.find(key)
      return where === undefined ? undefined : `${list!.file}, ${where}`
    }
  }
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

function readSigners(place: PolicyPlace, path: string): SignerList {
  const { file, bytes } = place.readBeside(path)
  const { lines, faults } = parseSigners(bytes.toString('latin1'))
  if (faults.length > 0)
    refusePolicy(
      file,
      faults.map(fault => ({ ...fault, column: 1 }))
    )
  return { file, lines }
}

function readRevoked(place: PolicyPlace, path: string): { file: string; find: RevokedKeys } {
  const { file, bytes } = place.readBeside(path)
  try {
    return { file, find: parseRevokedKeys(bytes) }
  } catch (error) {
    if (!(error instanceof WireFault)) throw error
    return refusePolicy(file, [{ line: error.line ?? 1, column: 1, message: error.message }])
  }
}
