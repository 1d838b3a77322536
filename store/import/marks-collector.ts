/**
 * Collects ACLs and extended attributes for a sidecar, by the path of the archive's entry: from the archive's records
 * while it is read, then from listings beside it. Then it checks them against the tree.
 */

import type { IdNames } from '../accounts/index.ts'
import {
  type AccessAndDefault,
  type Acl,
  type Attributes,
  AttributeTally,
  encodeAcl,
  type ForeignAttribute,
  firstDifference,
  foreignAttribute,
  type GetfaclBlock,
  type GetfattrBlock,
  HOST_LABELS,
  repeatsMode,
  type SidecarEntry,
  splitAclAttributes,
  validateAttribute
} from '../acl/index.ts'
import { type Inode, Kind, type LayerTree, type Marks } from '../object/index.ts'
import type { TarEntry } from '../tar/index.ts'
import {
  detailsAt,
  type Limits,
  type PathBytes,
  type Place,
  StrataError,
  showPath,
  showPlace
} from '../values/index.ts'
import { SharedMarks } from './shared-marks.ts'

interface Collected extends AccessAndDefault {
  attributes?: Attributes
  /** Attributes that are left out, and therefore must give the same rights as the mode. */
  rights?: [name: PathBytes, value: Uint8Array, foreign: ForeignAttribute][]
  /** Access ACL of the archive's own records, even if a listing has another. */
  recorded?: Acl
  /** True if the archive has that ACL as text: extractors then set it after the mode. */
  isText?: boolean
  place: Place
}

export class MarksCollector {
  readonly #collected = new Map<PathBytes, Collected>()
  readonly #names: IdNames
  readonly #shared: SharedMarks
  readonly leftOut = new AttributeTally()
  /** Attributes that are kept although they describe the host where they were made. */
  readonly hostLabels = new AttributeTally()

  readonly #isStrict: boolean

  /** @param limits `strict` refuses attributes that would be left out */
  constructor(names: IdNames, { strict, metadataBytes }: Pick<Limits, 'strict' | 'metadataBytes'>) {
    this.#names = names
    this.#shared = new SharedMarks(names, metadataBytes)
    this.#isStrict = strict
  }

  /**
   * Adds the records of an entry. A later entry of the same path replaces it.
   * @throws StrataError ACL_TEXT, ACL_INVALID, ATTRIBUTE_INVALID, NAME_UNKNOWN
   */
  addEntry(entry: TarEntry, source: string): void {
    // All names of a hard link share one inode, and the entry with the bytes has its attributes. Attributes of an
    // earlier entry of this name are gone with that entry.
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
    const fromText: AccessAndDefault =
      access === undefined && defaults === undefined ? {} : this.#shared.parse(entry.aclText, place)
    const { attributes, ...fromAttributes } = this.#split(entry.attributes, place)
    const recorded = this.#agree(fromText.access, fromAttributes.access, place)
    this.#collected.set(entry.path, {
      access: recorded,
      recorded,
      isText: fromText.access !== undefined,
      default: this.#agree(fromText.default, fromAttributes.default, place),
      ...this.#separate(attributes, entry.path, place),
      place
    })
  }

  /** ACLs of a `getfacl` listing replace those in the archive. */
  addAclBlock(block: GetfaclBlock, source: string): void {
    const place = { source, line: block.line, member: block.path }
    const before = this.#collected.get(block.path)
    this.#collected.set(block.path, {
      attributes: before?.attributes,
      rights: before?.rights,
      recorded: before?.recorded,
      isText: before?.isText,
      access: block.access && this.#shared.acl(block.access),
      default: block.default && this.#shared.acl(block.default),
      place
    })
  }

  /** Attributes of a `getfattr` listing, or of a directory, replace those in the archive. */
  addAttributes({ path, attributes: all }: Pick<GetfattrBlock, 'path' | 'attributes'>, place: Place): void {
    const { attributes, access, default: defaults } = this.#split(all, place)
    const before = this.#collected.get(path)
    this.#collected.set(path, {
      recorded: before?.recorded,
      isText: before?.isText,
      access: access ?? before?.access,
      default: defaults ?? before?.default,
      ...this.#separate(attributes, path, place),
      place
    })
  }

  /**
   * The sidecar's entries: everything collected, checked against the tree.
   * @param inodeOf inode of an archive path; undefined for entries that are not part of the layer
   * @throws StrataError ACL_INVALID, ATTRIBUTE_INVALID
   */
  entries(tree: LayerTree, inodeOf: (path: PathBytes) => Inode | undefined): SidecarEntry[] {
    const entries: SidecarEntry[] = []
    for (const [path, collected] of this.#collected) {
      const { access, default: defaults, attributes } = collected
      const inode = inodeOf(path)
      if (inode !== undefined) this.#checkAgainstTree(collected, tree, inode)
      this.#leaveRights(collected, path, inode === undefined ? undefined : tree.mode.get(inode))
      for (const name of attributes?.keys() ?? [])
        if (HOST_LABELS.has(name)) this.hostLabels.add(name, 'written by a security module', path)
      const acl = access === undefined || this.#shared.bitsOf(access).isMinimal ? undefined : access
      if (acl === undefined && defaults === undefined && attributes === undefined) continue
      entries.push({ path, acl, defaultAcl: defaults, attributes })
    }
    return entries
  }

  #agree(text: Acl | undefined, binary: Acl | undefined, place: Place): Acl | undefined {
    // A name without an id is reported by an error of its own; until then it stands for an id that nobody has.
    if (text !== undefined && binary !== undefined && text !== binary && !this.#names.hasUnknown)
      throw new StrataError(
        'ACL_INVALID',
        detailsAt(place, 'SCHILY.acl and SCHILY.xattr.system.posix_acl records hold different ACLs')
      )
    return text ?? binary
  }

  #split(all: Attributes, place: Place): AccessAndDefault & { attributes: Attributes } {
    return splitAclAttributes(all, bytes => this.#shared.decode(bytes, place))
  }

  /** Separates attributes that a layer keeps from those that file systems keep for themselves (spec/attributes.md). */
  #separate(all: Attributes, path: PathBytes, place: Place): Pick<Collected, 'attributes' | 'rights'> {
    const kept: Attributes = new Map()
    const rights: Collected['rights'] = []
    for (const [name, value] of all) {
      const foreign = foreignAttribute(name)
      if (foreign !== undefined && this.#isStrict) throw leftOutOtherwise(name, foreign, place)
      if (foreign?.meaning === 'rights') rights.push([name, this.#shared.value(value), foreign])
      else if (foreign !== undefined) this.leftOut.add(name, foreign.what, path)
      else {
        validateAttribute(name, value, place)
        kept.set(name, value)
      }
    }
    return { attributes: this.#shared.attributes(kept), ...(rights.length > 0 && { rights }) }
  }

  /** @throws StrataError ATTRIBUTE_INVALID for an attribute that gives other rights than the mode */
  #leaveRights({ rights = [], place }: Collected, path: PathBytes, mode: number | undefined): void {
    for (const [name, value, { what }] of rights) {
      if (mode !== undefined && !repeatsMode(name, value, mode))
        throw new StrataError('ATTRIBUTE_INVALID', {
          ...detailsAt(place, `attribute ${showPath(name)} (${what}) has no form in a layer`),
          hint: 'unpack it on a file system with POSIX ACLs, set them there with setfacl, and pack or import that'
        })
      this.leftOut.add(name, `${what} that says what the mode says`, path)
    }
  }

  /** @throws StrataError ACL_INVALID: the ACL gives other rights than the entry's mode, or the entry cannot have one */
  #checkAgainstTree({ place, ...acls }: Collected, tree: LayerTree, inode: Inode): void {
    const refuse = (message: string, hint?: string) => {
      throw new StrataError('ACL_INVALID', { ...detailsAt(place, message), hint })
    }
    const kind = tree.kind.get(inode)
    if (kind === Kind.symlink && (acls.access || acls.default)) refuse('a symbolic link cannot have an ACL')
    if (kind !== Kind.directory && acls.default) refuse('only a directory can have a default ACL')
    if (acls.access === undefined) return
    const mode = tree.mode.get(inode)
    const shown = this.#shared.bitsOf(acls.access).mode
    const contradicted = firstDifference(shown, mode)
    if (contradicted !== undefined && firstDifference(shown, this.#extractedMode(mode, acls)))
      refuse(
        `the ACL contradicts the mode bits of its ${contradicted} class: the archive has mode ${mode.toString(8).padStart(4, '0')}`,
        'a mode shows user::, the mask (without one group::) and other:: of its ACL; correct the listing or the archive'
      )
  }

  /**
   * The mode of a file after extraction, where setting the ACL makes the mask its group bits. libarchive (bsdtar)
   * writes the rights of `group::` into the header. Strata's own tarballs have the mode for an audience there
   * (spec/outputs.md#acls): the owner's rights, and for others none that the mask or `other::` might deny.
   */
  #extractedMode(mode: number, { recorded, isText }: Pick<Collected, 'recorded' | 'isText'>): number {
    if (recorded === undefined) return mode
    const { mode: shown, owningGroup } = this.#shared.bitsOf(recorded)
    const most = shown | ((shown >> 3) & 0o7)
    const isForAudience = isText === true && ((mode ^ shown) & 0o700) === 0 && (mode & 0o777 & ~most) === 0
    const isOfLibarchive = (mode & 0o777) === ((shown & 0o707) | (owningGroup << 3))
    return isForAudience || isOfLibarchive ? (mode & 0o7000) | shown : mode
  }
}

const leftOutOtherwise = (name: PathBytes, { what }: ForeignAttribute, place: Place): StrataError =>
  new StrataError('ATTRIBUTE_INVALID', {
    ...detailsAt(place, `attribute ${showPath(name)} (${what}) is in no layer`),
    hint: 'without --strict it is left out, and reported'
  })

/**
 * The sidecar's entries as marks on the tree's inodes.
 * @throws StrataError ACL_INVALID if names of one inode were given different ACLs or attributes
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
        message: `${showPlace({ source, member: path })}: found another ACL or other attributes than on ${showPath(firstPath.get(inode)!)}, which is the same file`
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
