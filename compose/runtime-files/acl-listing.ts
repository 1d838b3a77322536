/**
 * `/.compose/acl`: all paths with an ACL as stored, with numeric ids, for `setfacl --restore`
 * (spec/image-metadata.md#acl).
 */
import { decodeAcl, formatGetfacl, minimalAcl } from '../../store/acl/index.ts'
import { aclAt } from '../../store/object/index.ts'
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
    text.add(HEADER)
    paths.addTo(text, directory, entry)
    text.add(NEWLINE).add(body)
  })
  return text.bytes()
}

// setfacl skips blanks at the start of a path, so each path begins with `./`.
const HEADER = Buffer.from('# file: ./')
const ROOT = Buffer.from('# file: .\n')
const NEWLINE = Buffer.from('\n')

/** The lines after the path's line. They are kept, because thousands of files share an ACL, owner and group. */
class Bodies {
  readonly #tree: MergedTree
  readonly #known = new Map<string, Uint8Array>()
  // Neighbours mostly have the same lines.
  #lastLayer = -1
  #lastSource = 0
  #lastBody: Uint8Array | undefined

  constructor(tree: MergedTree) {
    this.#tree = tree
  }

  of(inode: number): Uint8Array | undefined {
    const layer = this.#tree.inodeLayer[inode]
    const source = this.#tree.inodeSource[inode]
    const { acl, mode, uid, gid } = this.#tree.layers[layer].index
    if (acl[source] === 0) return undefined
    const last = this.#lastSource
    const same =
      layer === this.#lastLayer &&
      acl[source] === acl[last] &&
      mode[source] === mode[last] &&
      uid[source] === uid[last] &&
      gid[source] === gid[last]
    if (same) return this.#lastBody
    const key = `${layer} ${acl[source]} ${mode[source]} ${uid[source]} ${gid[source]}`
    const body = this.#known.get(key) ?? this.#format(layer, source)
    this.#known.set(key, body)
    this.#lastLayer = layer
    this.#lastSource = source
    this.#lastBody = body
    return body
  }

  #format(layer: number, source: number): Uint8Array {
    const { index } = this.#tree.layers[layer]
    const access = aclAt(index, source, 'access')
    const defaults = aclAt(index, source, 'default')
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
