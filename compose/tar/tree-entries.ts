import { decodeAcl, formatAclLine } from '../../store/acl/index.ts'
import { aclAt, ENTRY_KIND, Kind, type LayerIndex, stringAt } from '../../store/object/index.ts'
import { entryWith, type TarEntry } from '../../store/tar/index.ts'
import { type PathBytes, pathFromBuffer } from '../../store/values/index.ts'
import { ImageModes, type ModeOf } from '../link/index.ts'
import type { MergedTree } from '../merge/index.ts'
import { deviceMajor, deviceMinor } from '../sandbox/index.ts'

type Marks = Pick<TarEntry, 'attributes' | 'aclText'>

/** Makes members of a tar from inodes of a merged tree. */
export class TreeEntries {
  readonly #tree: MergedTree
  readonly #modes: ImageModes
  /** Per layer, by the pair of attribute set and ACL. */
  readonly #marks: Map<number, Marks>[]
  readonly #firstPaths = new Map<number, PathBytes>()

  /**
   * @param modeOf mode bits for paths with an ACL: not every reader restores ACLs, and the stored bits are wider
   * (spec/outputs.md#acls)
   */
  constructor(tree: MergedTree, modeOf: ModeOf) {
    this.#tree = tree
    this.#modes = new ImageModes(tree.layers, modeOf)
    this.#marks = tree.layers.map(() => new Map())
  }

  /** The member for a name. The first name of an inode becomes the file, and further ones become links to it. */
  of(path: PathBytes, inode: number): TarEntry {
    const { inodeKind, inodeLinks, inodeLayer, inodeSource, layers } = this.#tree
    const kind = inodeKind[inode]
    const layer = inodeLayer[inode]
    const source = inodeSource[inode]
    const { index } = layers[layer]
    const common = {
      path,
      mode: this.#modes.of(layer, source),
      uid: index.uid[source],
      gid: index.gid[source],
      mtime: { seconds: index.mtimeSeconds[source], nanoseconds: index.mtimeNanoseconds[source] }
    }
    if (kind !== Kind.directory && inodeLinks[inode] > 1) {
      const first = this.#firstPaths.get(inode)
      if (first !== undefined) return entryWith({ ...common, kind: 'hardlink', linkTarget: first })
      this.#firstPaths.set(inode, path)
    }
    return entryWith({
      ...common,
      kind: ENTRY_KIND[kind],
      ...payloadOf(index, kind, index.payload[source]),
      ...this.#marksOf(layer, source)
    })
  }

  #marksOf(layer: number, source: number): Marks | undefined {
    const { index } = this.#tree.layers[layer]
    const [set, acl] = [index.attributes[source], index.acl[source]]
    if (set === 0 && acl === 0) return undefined
    const key = set * (index.aclAccess.length + 1) + acl
    const known = this.#marks[layer].get(key)
    if (known !== undefined) return known
    const marks = collectMarks(index, source)
    this.#marks[layer].set(key, marks)
    return marks
  }
}

function payloadOf(index: LayerIndex, kind: number, payload: number): Partial<TarEntry> {
  switch (kind) {
    case Kind.file:
      return { sizeBytes: index.contentSize[payload] }
    case Kind.symlink:
      return { linkTarget: pathFromBuffer(stringAt(index, payload)) }
    case Kind.block:
    case Kind.character:
      return { deviceMajor: deviceMajor(payload), deviceMinor: deviceMinor(payload) }
    default:
      return {}
  }
}

/**
 * ACLs are written only as text. A reader of that text restores them after the mode, and knows that default ACLs
 * affect later files. Container engines would set the kernel's attribute like any other and lose it in their next
 * copy, where the ACL's mask would become the mode (spec/outputs.md#acls).
 */
function collectMarks(index: LayerIndex, source: number): Marks {
  const attributes: TarEntry['attributes'] = new Map()
  const set = index.attributes[source]
  for (let i = index.attributeSetStart[set - 1]; i < index.attributeSetStart[set]; i++)
    attributes.set(
      pathFromBuffer(stringAt(index, index.attributeName[i])),
      stringAt(index, index.attributeValue[i])
    )
  const aclText: TarEntry['aclText'] = {}
  const [access, defaults] = [aclAt(index, source, 'access'), aclAt(index, source, 'default')]
  if (access !== undefined) aclText.access = formatAclLine(decodeAcl(access))
  if (defaults !== undefined) aclText.default = formatAclLine(decodeAcl(defaults))
  return { attributes, aclText }
}
