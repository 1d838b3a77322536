/** `/.compose/acl`: every path with an ACL as stored, ids in digits, for `setfacl --restore` (spec/image-metadata.md#acl). */
import { decodeAcl, minimalAcl } from '../../store/acl/acl.ts'
import { formatGetfacl } from '../../store/acl/getfacl-text.ts'
import { aclOf } from '../merge/compare.ts'
import type { MergedTree } from '../merge/index.ts'
import { ByteText } from './byte-text.ts'
import { TreePaths, visitEntries } from './tree-paths.ts'

/** Paths are relative to the root. @throws StrataError ACL_INVALID */
export function formatAclListing(tree: MergedTree): Uint8Array {
  if (tree.layers.every(({ index }) => index.aclAccess.length === 0)) return new Uint8Array(0)
  const text = new ByteText()
  const paths = new TreePaths(tree)
  const bodies = new Bodies(tree)
  const ofRoot = bodies.of(0)
  if (ofRoot !== undefined) text.add(ROOT).add(ofRoot)
  visitEntries(tree, (directory, entry) => {
    const body = bodies.of(tree.entryInode[entry])
    if (body === undefined) return
    const prefix = paths.prefixOf(directory)
    const name = paths.nameOf(entry)
    text.add(HEADER)
    // setfacl skips blanks in front of a path.
    if (prefix.length === 0 && name[0] === SPACE) text.add(ESCAPED_SPACE).add(name.subarray(1))
    else text.add(prefix).add(name)
    text.add(NEWLINE).add(body)
  })
  return text.toBytes()
}

const HEADER = Buffer.from('# file: ')
const ROOT = Buffer.from('# file: .\n')
const NEWLINE = Buffer.from('\n')
const SPACE = 0x20
const ESCAPED_SPACE = Buffer.from('\\040')

/** What follows the line of the path: thousands of files share one ACL, owner and group. */
class Bodies {
  readonly #tree: MergedTree
  readonly #known = new Map<string, Uint8Array>()

  constructor(tree: MergedTree) {
    this.#tree = tree
  }

  of(inode: number): Uint8Array | undefined {
    const layer = this.#tree.inodeLayer[inode]
    const source = this.#tree.inodeSource[inode]
    const { index } = this.#tree.layers[layer]
    const acl = index.acl[source]
    if (acl === 0) return undefined
    const key = `${layer} ${acl} ${index.mode[source]} ${index.uid[source]} ${index.gid[source]}`
    let body = this.#known.get(key)
    if (body === undefined) {
      body = this.#format(layer, source)
      this.#known.set(key, body)
    }
    return body
  }

  #format(layer: number, source: number): Uint8Array {
    const { index } = this.#tree.layers[layer]
    const access = aclOf(index, source, 'access')
    const defaults = aclOf(index, source, 'default')
    const block = formatGetfacl([
      {
        path: '',
        owner: index.uid[source],
        group: index.gid[source],
        flags: index.mode[source] & 0o7000,
        access: access === undefined ? minimalAcl(index.mode[source]) : decodeAcl(access),
        default: defaults && decodeAcl(defaults)
      }
    ])
    return block.subarray(ROOT.length)
  }
}
