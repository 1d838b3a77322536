/** Lists paths in an image with the facts that `ls -l` prints. */

import { TERMS_ATTRIBUTE } from '../../store/module/index.ts'
import { Kind } from '../../store/object/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import { ACL_ATTRIBUTE } from '../link/index.ts'
import { targetOf } from '../squashfs/index.ts'
import { findInImage, type OpenImage } from './open-image.ts'

export interface ListedPath {
  path: PathBytes
  kind: number
  mode: number
  uid: number
  gid: number
  mtimeSeconds: number
  sizeBytes: number
  links: number
  target?: PathBytes
  device?: number
  hasAcl: boolean
  /** Names of other attributes. */
  attributes: string[]
}

/**
 * @param path a directory, whose entries are listed, or anything else, which is listed itself
 * @throws StrataError PATH_MISSING, IMAGE_INVALID, LIMIT_EXCEEDED
 */
export function* listImage(image: OpenImage, path: PathBytes, recursive: boolean): Generator<ListedPath> {
  const { reader } = image
  const start = findInImage(image, path)
  if (start.kind !== Kind.directory) {
    yield describePath(image, path, start)
    return
  }
  // No inode is entered twice, so a damaged image cannot cause an endless loop.
  const entered = new Set<number>()
  const entriesOf = reader.beginWalk()
  const open = [{ path, inode: start }]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (entered.has(at.inode.number)) continue
    entered.add(at.inode.number)
    const below: typeof open = []
    for (const entry of entriesOf(at.path, at.inode)) {
      const inode = reader.inodeOf(entry)
      const child = at.path === '' ? entry.name : `${at.path}/${entry.name}`
      yield describePath(image, child, inode)
      if (recursive && inode.kind === Kind.directory) below.push({ path: child, inode })
    }
    open.push(...below.reverse())
  }
}

function describePath(
  { reader }: OpenImage,
  path: PathBytes,
  inode: ReturnType<OpenImage['reader']['root']>
): ListedPath {
  const attributes = [...reader.attributes(inode).keys()]
  const acls: string[] = Object.values(ACL_ATTRIBUTE)
  return {
    path,
    kind: inode.kind,
    mode: inode.mode,
    uid: reader.uid(inode),
    gid: reader.gid(inode),
    mtimeSeconds: inode.mtimeSeconds,
    sizeBytes: inode.file?.sizeBytes ?? 0,
    links: inode.links,
    ...(inode.target && { target: targetOf(inode) }),
    ...(inode.device !== undefined && { device: inode.device }),
    hasAcl: attributes.some(name => acls.includes(name)),
    attributes: attributes.filter(name => !acls.includes(name) && name !== TERMS_ATTRIBUTE)
  }
}
