import { aclAt } from '../../store/object/index.ts'
import type { StackLayer } from '../merge/index.ts'

/**
 * Computes mode bits for a path with an access ACL, because readers of SquashFS enforce no ACLs: the rights that the
 * audience of the image has. Without an access ACL the stored mode is exact, and this function is not called.
 * @param mode as stored, 0..0o7777; its group bits are the ACL's mask
 * @param access the ACL as the kernel's attribute has it
 * @param kind a `Kind`
 * @param uid the owner; with the owning group, it decides into which class a user falls
 */
export type ModeOf = (mode: number, access: Uint8Array, kind: number, uid: number, gid: number) => number

/** Calls `modeOf` once for each combination, because a tree may have an ACL on every file, but few different ones. */
export class ImageModes {
  readonly #layers: StackLayer[]
  readonly #modeOf: ModeOf
  /** Known modes by layer and ACL, then by owner and group, then by mode and kind. */
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
    // Two ids have 64 bits, more than the 53 of a double. So the third level tells groups apart.
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
