/** Decides which stored metadata the user who writes the sandbox can apply, before anything is written. */
import { type Acl, type Attributes, decodeAcl, encodeAcl, foreignAttribute } from '../../store/acl/index.ts'
import { Kind, latin1 } from '../../store/object/index.ts'
import { decodeAttributeSet, encodeAttributeSet } from './attribute-set.ts'
import { narrow, narrowDefault } from './narrow.ts'
import { type Applied, FLAG_NOT_WRITTEN, isExact } from './sandbox-record.ts'
import type { StoredTruth } from './stored-truth.ts'

/** @param gid of the files that the user makes; root ignores it */
export function planApplied(truth: StoredTruth, applied: Applied, gid: number): void {
  const planner = new Planner(truth, applied, gid)
  for (let inode = 0; inode < truth.tables.kind.length; inode++) planner.plan(inode)
}

const ONLY_ROOT: ReadonlySet<number> = new Set([Kind.block, Kind.character])
/** Kinds for which the kernel keeps `user.` attributes (xattr(7)). */
const TAKES_USER_ATTRIBUTES: ReadonlySet<number> = new Set([Kind.file, Kind.directory])

class Planner {
  readonly #truth: StoredTruth
  readonly #applied: Applied
  readonly #gid: number
  readonly #known = new Map<string, { mode: number; access: number }>()

  constructor(truth: StoredTruth, applied: Applied, gid: number) {
    this.#truth = truth
    this.#applied = applied
    this.#gid = gid
  }

  plan(inode: number): void {
    const { tables } = this.#truth
    const kind = tables.kind[inode]
    tables.appliedAttributes[inode] = this.#attributes(tables.attributes[inode], kind)
    if (isExact({ applied: this.#applied })) {
      tables.appliedMode[inode] = tables.mode[inode]
      tables.appliedAccess[inode] = tables.access[inode]
      tables.appliedDefault[inode] = tables.default[inode]
      return
    }
    if (ONLY_ROOT.has(kind)) tables.flags[inode] |= FLAG_NOT_WRITTEN
    const { mode, access } = this.#narrowAccess(inode)
    tables.appliedMode[inode] = mode
    tables.appliedAccess[inode] = access
    if (this.#applied === 'user' && tables.default[inode] !== 0)
      tables.appliedDefault[inode] = this.#string(
        narrowDefault(this.#acl(tables.default[inode])!, tables.gid[inode], this.#gid)
      )
  }

  #attributes(set: number, kind: number): number {
    if (set === 0 || this.#applied === 'record-only') return 0
    const stored = decodeAttributeSet(this.#truth.strings.at(set))
    const kept: Attributes = new Map(
      [...stored].filter(([name]) => {
        if (foreignAttribute(name) !== undefined) return false // another file system's attribute, which this one might obey
        return name.startsWith('user.')
          ? TAKES_USER_ATTRIBUTES.has(kind)
          : isExact({ applied: this.#applied })
      })
    )
    return kept.size === stored.size
      ? set
      : kept.size === 0
        ? 0
        : this.#truth.strings.add(encodeAttributeSet(kept))
  }

  #narrowAccess(inode: number): { mode: number; access: number } {
    const { kind, mode, uid, gid, access } = this.#truth.tables
    const isDirectory = kind[inode] === Kind.directory
    const key = `${isDirectory} ${mode[inode]} ${uid[inode]} ${gid[inode]} ${access[inode]}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const stored = {
      isDirectory,
      mode: mode[inode],
      uid: uid[inode],
      gid: gid[inode],
      access: this.#acl(access[inode])
    }
    const narrowed = narrow(stored, this.#gid, this.#applied === 'user')
    const found = {
      mode: narrowed.mode,
      access: narrowed.access === undefined ? 0 : this.#string(narrowed.access)
    }
    this.#known.set(key, found)
    return found
  }

  #acl(string: number): Acl | undefined {
    const bytes = this.#truth.strings.at(string)
    return bytes && decodeAcl(bytes)
  }

  #string(acl: Acl): number {
    return this.#truth.strings.add(latin1(encodeAcl(acl)))
  }
}

/** Number of inodes whose stored metadata is only recorded, by the part that could not be applied. */
export interface NotApplied {
  owners: number
  /** Permission bits that were narrowed, or widened only for the user. */
  modes: number
  setIds: number
  acls: number
  attributes: number
  devices: number
  /** Times that the file system keeps less exactly, or cannot hold. */
  times: number
}

/** @param isOwn true if an inode with this owner and group has the right ones */
export function countNotApplied(
  { tables }: StoredTruth,
  isOwn: (uid: number, gid: number) => boolean
): NotApplied {
  const counts: NotApplied = { owners: 0, modes: 0, setIds: 0, acls: 0, attributes: 0, devices: 0, times: 0 }
  for (let i = 0; i < tables.kind.length; i++) {
    if (tables.flags[i] & FLAG_NOT_WRITTEN) {
      counts.devices++
      continue
    }
    if (!isOwn(tables.uid[i], tables.gid[i])) counts.owners++
    const isLink = tables.kind[i] === Kind.symlink
    const changed = isLink ? 0 : tables.mode[i] ^ tables.appliedMode[i]
    if (changed & 0o777) counts.modes++
    if (changed & 0o6000) counts.setIds++
    if (tables.access[i] !== tables.appliedAccess[i] || tables.default[i] !== tables.appliedDefault[i])
      counts.acls++
    if (tables.attributes[i] !== tables.appliedAttributes[i]) counts.attributes++
    const sameTime =
      tables.mtimeSeconds[i] === tables.appliedMtimeSeconds[i] &&
      tables.mtimeNanoseconds[i] === tables.appliedMtimeNanoseconds[i]
    if (!sameTime) counts.times++
  }
  return counts
}
