/**
 * ACLs and extended attributes on their way into a sidecar: gathered from the archive's records while it is read,
 * completed from listings beside it, checked against the tree, by the path of the archive's entry.
 */
import { type Acl, aclContradictsMode, encodeAcl, isMinimal, modeOf } from '../acl/acl.ts'
import { type AccessAndDefault, parseAclRecords } from '../acl/acl-text.ts'
import type { GetfaclBlock } from '../acl/getfacl-text.ts'
import { type GetfattrBlock, splitAclAttributes } from '../acl/getfattr-text.ts'
import { type Attributes, validateAttribute } from '../attribute.ts'
import { StrataError } from '../errors.ts'
import type { IdNames } from '../id-names.ts'
import type { Marks } from '../object/index-builder.ts'
import { Kind } from '../object/layer-index.ts'
import type { Inode, LayerTree } from '../object/layer-tree.ts'
import { latin1 } from '../object/string-table.ts'
import { type PathBytes, showPath } from '../path-bytes.ts'
import { detailsAt, type Place, showPlace } from '../place.ts'
import type { SidecarEntry } from '../sidecar.ts'
import type { TarEntry } from '../tar/entry.ts'

/** What overlayfs keeps in attributes would hide or redirect files of whoever mounts the tree (spec/sidecar.md). */
const OVERLAY = /^(trusted|user)\.overlay\./

interface Collected extends AccessAndDefault {
  attributes?: Attributes
  /** Access ACL of the archive's own records, whatever a listing says. */
  recorded?: Acl
  /** The archive has that ACL both as text and as the kernel's attribute. */
  isRecordedTwice?: boolean
  place: Place
}

export interface DroppedAttribute {
  path: PathBytes
  name: PathBytes
}

export class MarksCollector {
  readonly #names: IdNames
  readonly #collected = new Map<PathBytes, Collected>()
  readonly #sharedAttributes = new Map<string, Attributes>()
  readonly #sharedAcls = new Map<string, Acl>()
  /** Attributes that were left out, for the report. */
  readonly dropped: DroppedAttribute[] = []

  constructor(names: IdNames) {
    this.#names = names
  }

  /**
   * What an entry's own records say. A later entry of the same path replaces it.
   * @throws StrataError ACL_TEXT, ACL_INVALID, ATTRIBUTE_INVALID, NAME_UNKNOWN
   */
  addEntry(entry: TarEntry, source: string): void {
    // All names of a hard link share one inode: the entry that carries the bytes carries its attributes. What an
    // earlier entry of this name brought is gone with that entry.
    if (entry.kind === 'hardlink') {
      this.#collected.delete(entry.path)
      return
    }
    const place = { source, member: entry.path }
    const { access, default: defaults } = entry.aclText
    if (entry.attributes.size === 0 && access === undefined && defaults === undefined) {
      this.#collected.delete(entry.path)
      return
    }
    const fromText =
      access === undefined && defaults === undefined
        ? {}
        : parseAclRecords(entry.aclText, { resolve: this.#names, where: place })
    const { attributes, ...fromAttributes } = splitAclAttributes(entry.attributes, place)
    const recorded = this.#agree(fromText.access, fromAttributes.access, place)
    this.#collected.set(entry.path, {
      access: recorded,
      recorded,
      isRecordedTwice: fromText.access !== undefined && fromAttributes.access !== undefined,
      default: this.#agree(fromText.default, fromAttributes.default, place),
      attributes: this.#checkedAttributes(attributes, entry.path, place),
      place
    })
  }

  /** ACLs of a `getfacl` listing take the place of those in the archive. */
  addAclBlock(block: GetfaclBlock, source: string): void {
    const place = { source, line: block.line, member: block.path }
    const before = this.#collected.get(block.path)
    this.#collected.set(block.path, {
      attributes: before?.attributes,
      recorded: before?.recorded,
      isRecordedTwice: before?.isRecordedTwice,
      access: block.access && this.#shareAcl(block.access),
      default: block.default && this.#shareAcl(block.default),
      place
    })
  }

  /** Attributes of a `getfattr` listing, or of a directory, take the place of those in the archive. */
  addAttributes({ path, attributes: all }: Pick<GetfattrBlock, 'path' | 'attributes'>, place: Place): void {
    const { attributes, access, default: defaults } = splitAclAttributes(all, place)
    const before = this.#collected.get(path)
    this.#collected.set(path, {
      recorded: before?.recorded,
      isRecordedTwice: before?.isRecordedTwice,
      access: access === undefined ? before?.access : this.#shareAcl(access),
      default: defaults === undefined ? before?.default : this.#shareAcl(defaults),
      attributes: this.#checkedAttributes(attributes, path, place),
      place
    })
  }

  /**
   * Everything collected, checked against the tree: what goes into the sidecar.
   * @param inodeOf inode of an archive path; undefined for entries that are not part of the layer
   * @throws StrataError ACL_INVALID
   */
  entries(tree: LayerTree, inodeOf: (path: PathBytes) => Inode | undefined): SidecarEntry[] {
    const entries: SidecarEntry[] = []
    for (const [path, collected] of this.#collected) {
      const { access, default: defaults, attributes } = collected
      const inode = inodeOf(path)
      if (inode !== undefined) checkAgainstTree(collected, tree, inode)
      const acl = access === undefined || isMinimal(access) ? undefined : access
      if (acl === undefined && defaults === undefined && attributes === undefined) continue
      entries.push({ path, acl, defaultAcl: defaults, attributes })
    }
    return entries
  }

  #agree(text: Acl | undefined, binary: Acl | undefined, place: Place): Acl | undefined {
    if (text !== undefined && binary !== undefined && !encodeAcl(text).equals(encodeAcl(binary)))
      throw new StrataError(
        'ACL_INVALID',
        detailsAt(place, 'SCHILY.acl and SCHILY.xattr.system.posix_acl records hold different ACLs')
      )
    const acl = text ?? binary
    return acl && this.#shareAcl(acl)
  }

  /** Thousands of files have one ACL or one label: they share the object, and later its row in a table. */
  #shareAcl(acl: Acl): Acl {
    return share(this.#sharedAcls, latin1(encodeAcl(acl)), acl)
  }

  #checkedAttributes(all: Attributes, path: PathBytes, place: Place): Attributes | undefined {
    const kept: Attributes = new Map()
    for (const [name, value] of all) {
      if (OVERLAY.test(name)) {
        this.dropped.push({ path, name })
        continue
      }
      validateAttribute(name, value, place)
      kept.set(name, value)
    }
    if (kept.size === 0) return undefined
    const key = [...kept]
      .map(([name, value]) => `${name.length}:${name}${value.length}:${latin1(value)}`)
      .join('')
    const known = this.#sharedAttributes.get(key)
    if (known !== undefined) return known
    // Values are views into the archive's buffers until here.
    const own: Attributes = new Map([...kept].map(([name, value]) => [name, Buffer.from(value)]))
    this.#sharedAttributes.set(key, own)
    return own
  }
}

const share = <T>(shared: Map<string, T>, key: string, value: T): T => {
  const known = shared.get(key)
  if (known === undefined) shared.set(key, value)
  return known ?? value
}

/** @throws StrataError ACL_INVALID: the ACL says other rights than the entry's mode, or stands where none can */
function checkAgainstTree({ place, ...acls }: Collected, tree: LayerTree, inode: Inode): void {
  const refuse = (message: string, hint?: string) => {
    throw new StrataError('ACL_INVALID', { ...detailsAt(place, message), hint })
  }
  const kind = tree.kind.get(inode)
  if (kind === Kind.symlink && (acls.access || acls.default)) refuse('a symbolic link cannot have an ACL')
  if (kind !== Kind.directory && acls.default) refuse('only a directory can have a default ACL')
  if (acls.access === undefined) return
  const mode = tree.mode.get(inode)
  const contradicted = aclContradictsMode(acls.access, mode)
  if (contradicted !== undefined && aclContradictsMode(acls.access, extractedMode(mode, acls)))
    refuse(
      `the ACL contradicts the mode bits of its ${contradicted} class: the archive has mode ${mode.toString(8).padStart(4, '0')}`,
      'a mode shows user::, the mask (without one group::) and other:: of its ACL; correct the listing or the archive'
    )
}

/**
 * The mode that a file has once it is extracted: whoever sets the ACL gets its mask. libarchive (bsdtar) writes the
 * rights of `group::` into the header. Our own tarballs have there what an audience has, which is less, and the ACL
 * twice (spec/outputs.md#acls).
 */
function extractedMode(
  mode: number,
  { recorded, isRecordedTwice }: Pick<Collected, 'recorded' | 'isRecordedTwice'>
): number {
  if (recorded === undefined) return mode
  const owningGroup = recorded.entries.find(({ tag }) => tag === 'group_obj')
  const isNarrowed = isRecordedTwice === true && (mode & 0o777 & ~modeOf(recorded)) === 0
  return isNarrowed || owningGroup?.perm === ((mode >> 3) & 7) ? (mode & 0o7000) | modeOf(recorded) : mode
}

/**
 * The sidecar's entries as marks on the tree's inodes.
 * @throws StrataError ACL_INVALID when names of one inode were given different ACLs or attributes
 */
export function marksOnTree(
  entries: Iterable<SidecarEntry>,
  inodeOf: (path: PathBytes) => Inode | undefined,
  source: string
): Map<Inode, Marks> {
  const encoded = new Map<Acl, Buffer>()
  const encodedOf = (acl: Acl | undefined): Buffer | undefined => {
    if (acl === undefined) return undefined
    const bytes = encoded.get(acl) ?? encodeAcl(acl)
    encoded.set(acl, bytes)
    return bytes
  }
  const marks = new Map<Inode, Marks>()
  const firstPath = new Map<Inode, PathBytes>()
  for (const { path, acl, defaultAcl, attributes } of entries) {
    const inode = inodeOf(path)
    if (inode === undefined) continue
    const mark: Marks = { attributes, access: encodedOf(acl), default: encodedOf(defaultAcl) }
    const before = marks.get(inode)
    if (before !== undefined && !sameMarks(before, mark))
      throw new StrataError('ACL_INVALID', {
        message: `${showPlace({ source, member: path })}: another ACL or attributes than ${showPath(firstPath.get(inode)!)}, which is the same file`
      })
    if (before === undefined) firstPath.set(inode, path)
    marks.set(inode, mark)
  }
  return marks
}

function sameMarks(a: Marks, b: Marks): boolean {
  const same = (x?: Uint8Array, y?: Uint8Array) =>
    x === y || (x !== undefined && y !== undefined && Buffer.compare(x, y) === 0)
  const attributesOf = ({ attributes }: Marks) => [...(attributes ?? [])]
  const [left, right] = [attributesOf(a), attributesOf(b)]
  return (
    same(a.access, b.access) &&
    same(a.default, b.default) &&
    left.length === right.length &&
    left.every(([name, value]) => same(value, b.attributes?.get(name)))
  )
}
