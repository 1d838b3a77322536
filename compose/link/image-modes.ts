import { aclAt } from '../../store/object/index.ts'
import type { StackLayer } from '../merge/index.ts'

/**
 * Mode bits in the image of something with an access ACL, which no reader of SquashFS enforces: what the audience of
 * the image may do. Without an access ACL the stored mode is exact, and this is not asked.
 * @param mode as stored, 0..0o7777: its group bits are the ACL's mask
 * @param access the ACL as the kernel's attribute has it
 * @param kind a `Kind`
 * @param uid owner and group decide into which class somebody falls
 */
export type ModeOf = (mode: number, access: Uint8Array, kind: number, uid: number, gid: number) => number

/** `modeOf` once for each combination that occurs: a tree may have an ACL on every file, but few different ones. */
export class ImageModes {
  readonly #layers: StackLayer[]
  readonly #modeOf: ModeOf
  /** By layer and ACL, then owner and group, then mode and kind. */
  readonly #known = new Map<number, Map<number, Map<number, number>>>()

  constructor(layers: StackLayer[], modeOf: ModeOf) {
    this.#layers = layers
    this.#modeOf = modeOf
  }

  of(layer: number, inode: number): number {
    const { index } = this.#layers[layer]
    const mode = index.mode[inode]
    if (index.acl[inode] === 0) return mode
    const access = aclAt(index, inode, 'access')
    if (access === undefined) return mode
    const [uid, gid, kind] = [index.uid[inode], index.gid[inode], index.kind[inode]]
    // Ids have 32 bits: together they exceed a double's 53, so the third level tells them apart by gid.
    const owners = within(within(this.#known, layer * 2 ** 32 + index.acl[inode]), uid)
    const key = gid * 2 ** 16 + mode * 2 ** 3 + kind
    let found = owners.get(key)
    if (found === undefined) {
      found = this.#modeOf(mode, access, kind, uid, gid)
      owners.set(key, found)
    }
    return found
  }
}

function within<V>(map: Map<number, Map<number, V>>, key: number): Map<number, V> {
  let found = map.get(key)
  if (found === undefined) {
    found = new Map()
    map.set(key, found)
  }
  return found
}
