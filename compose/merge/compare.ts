import { aclAt, HASH_BYTES, Kind, type LayerIndex, stringAt } from '../../store/object/index.ts'

/** The ways in which two inodes of one path can differ, in the words of messages. */
export type Difference =
  | 'type'
  | 'content'
  | 'link target'
  | 'device'
  | 'mode'
  | 'owner'
  | 'group'
  | 'attributes'
  | 'acl'

/** An inode of a layer. */
export interface Located {
  index: LayerIndex
  inode: number
}

/**
 * Compares two inodes; the result is empty if each may stand for the other. Modification times do not count: two
 * modules that packed the same file on different days still packed the same file (spec/merge.md#same).
 */
export function differences(a: Located, b: Located): Difference[] {
  if (a.index.kind[a.inode] !== b.index.kind[b.inode]) return ['type']
  return [...payloadDifferences(a, b), ...metadataDifferences(a, b)]
}

/** Like `differences`, but compares only mode, owner, group, attributes and ACLs. */
export function metadataDifferences(a: Located, b: Located): Difference[] {
  const found: Difference[] = []
  if (a.index.mode[a.inode] !== b.index.mode[b.inode]) found.push('mode')
  if (a.index.uid[a.inode] !== b.index.uid[b.inode]) found.push('owner')
  if (a.index.gid[a.inode] !== b.index.gid[b.inode]) found.push('group')
  if (!sameAttributes(a, b)) found.push('attributes')
  if (!sameAcls(a, b)) found.push('acl')
  return found
}

function payloadDifferences(a: Located, b: Located): Difference[] {
  const left = a.index.payload[a.inode]
  const right = b.index.payload[b.inode]
  switch (a.index.kind[a.inode]) {
    case Kind.file:
      return sameContent(a.index, left, b.index, right) ? [] : ['content']
    case Kind.symlink:
      return sameBytes(stringAt(a.index, left), stringAt(b.index, right)) ? [] : ['link target']
    case Kind.block:
    case Kind.character:
      return left === right ? [] : ['device']
    default:
      return []
  }
}

/** Contents are equal if their size and SHA-256 are. */
export function sameContent(a: LayerIndex, left: number, b: LayerIndex, right: number): boolean {
  if (a.contentSize[left] !== b.contentSize[right]) return false
  for (let i = 0; i < HASH_BYTES; i++)
    if (a.contentHash[left * HASH_BYTES + i] !== b.contentHash[right * HASH_BYTES + i]) return false
  return true
}

function sameAttributes(a: Located, b: Located): boolean {
  const left = a.index.attributes[a.inode]
  const right = b.index.attributes[b.inode]
  if (left === 0 || right === 0) return left === right
  if (a.index === b.index && left === right) return true
  const start = a.index.attributeSetStart[left - 1]
  const count = a.index.attributeSetStart[left] - start
  const otherStart = b.index.attributeSetStart[right - 1]
  if (b.index.attributeSetStart[right] - otherStart !== count) return false
  const same = (column: 'attributeName' | 'attributeValue', i: number) =>
    sameBytes(
      stringAt(a.index, a.index[column][start + i]),
      stringAt(b.index, b.index[column][otherStart + i])
    )
  for (let i = 0; i < count; i++) if (!same('attributeName', i) || !same('attributeValue', i)) return false
  return true
}

function sameAcls(a: Located, b: Located): boolean {
  if (a.index.acl[a.inode] === 0 && b.index.acl[b.inode] === 0) return true
  return (['access', 'default'] as const).every(which => {
    const left = aclAt(a.index, a.inode, which)
    const right = aclAt(b.index, b.inode, which)
    return left === undefined || right === undefined ? left === right : sameBytes(left, right)
  })
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** Names of kinds for messages. */
export const KIND_NAME: Record<number, string> = {
  [Kind.directory]: 'a directory',
  [Kind.file]: 'a file',
  [Kind.symlink]: 'a symbolic link',
  [Kind.block]: 'a block device',
  [Kind.character]: 'a character device',
  [Kind.fifo]: 'a fifo',
  [Kind.socket]: 'a socket'
}
