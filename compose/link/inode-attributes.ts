import { aclAt, stringAt } from '../../store/object/index.ts'
import { pathFromBuffer, StrataError, showPath } from '../../store/values/index.ts'
import { type StackLayer, sameBytes } from '../merge/index.ts'
import { type Attribute, AttributeTable } from '../squashfs/index.ts'

/** Names under which an image holds ACLs; the values are those of the kernel's attributes (spec/squashfs.md#acl). */
export const ACL_ATTRIBUTE = {
  access: 'user.strata.acl.access',
  default: 'user.strata.acl.default'
} as const

const RESERVED = Object.values(ACL_ATTRIBUTE).map(name => Buffer.from(name))

/** The attribute set of each inode: its stored attributes, and its ACLs under our own names. */
export class InodeAttributes {
  readonly table = new AttributeTable()
  readonly #layers: StackLayer[]
  /** Per layer: the set in the image for a pair of numbers in the layer. */
  readonly #known: Map<number, number>[]

  /** @param layers of the tree */
  constructor(layers: StackLayer[]) {
    this.#layers = layers
    this.#known = layers.map(() => new Map())
  }

  /**
   * The attribute set of an inode.
   * @param inode one that has attributes or ACLs
   * @throws StrataError IMAGE_LIMIT, ATTRIBUTE_INVALID for a name that cannot be stored
   */
  of(layer: number, inode: number): number {
    const { index } = this.#layers[layer]
    const set = index.attributes[inode]
    const acl = index.acl[inode]
    const key = set * (index.aclAccess.length + 1) + acl
    const known = this.#known[layer].get(key)
    if (known !== undefined) return known
    const number = this.table.numberOf(this.#collect(layer, inode))
    this.#known[layer].set(key, number)
    return number
  }

  /** Like `of`, with one more attribute. `inode` need not have any. */
  withOneMore(layer: number, inode: number, more: Attribute): number {
    const found = this.#hasAny(layer, inode) ? this.#collect(layer, inode) : []
    return this.table.numberOf([...found, more].sort(([a], [b]) => Buffer.compare(a, b)))
  }

  #hasAny(layer: number, inode: number): boolean {
    const { index } = this.#layers[layer]
    return index.attributes[inode] !== 0 || index.acl[inode] !== 0
  }

  #collect(layer: number, inode: number): Attribute[] {
    const { index } = this.#layers[layer]
    const found: Attribute[] = []
    const set = index.attributes[inode]
    for (let i = index.attributeSetStart[set - 1]; i < index.attributeSetStart[set]; i++) {
      const name = stringAt(index, index.attributeName[i])
      if (RESERVED.some(reserved => sameBytes(reserved, name))) throw reservedName(name)
      found.push([name, stringAt(index, index.attributeValue[i])])
    }
    for (const which of ['access', 'default'] as const) {
      const acl = aclAt(index, inode, which)
      if (acl !== undefined) found.push([Buffer.from(ACL_ATTRIBUTE[which]), acl])
    }
    return found.sort(([a], [b]) => Buffer.compare(a, b))
  }
}

function reservedName(name: Uint8Array): StrataError {
  const shown = showPath(pathFromBuffer(name))
  return new StrataError('ATTRIBUTE_INVALID', {
    message: `attribute ${shown} is the name under which an image holds ACLs, so a layer cannot have it`,
    facts: { attribute: shown },
    hint: 'import the ACL as system.posix_acl_access or system.posix_acl_default'
  })
}
