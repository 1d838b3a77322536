/**
 * Finds the processor architecture of a tree, which an OCI image has to name. It is read from the programs in the
 * tree, and does not depend on the host that builds the image.
 */
import { type DataSource, Kind, stringAt } from '../../store/object/index.ts'
import { type PathBytes, pathFromBuffer } from '../../store/values/index.ts'
import { findPath, type MergedEntry, type MergedTree, walk } from '../merge/index.ts'
import { ContentBlocks } from '../tar/index.ts'

/** e_machine (ELF gABI and processor supplements) and Go's name, which OCI uses. */
const MACHINES: Record<number, string> = {
  3: '386',
  8: 'mips',
  20: 'ppc',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'amd64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64'
}
const LITTLE_ENDIAN = 1
/** Go has other names for the little-endian forms of these. */
const LITTLE_ENDIAN_NAMES: Record<string, string> = { mips: 'mipsle', ppc64: 'ppc64le' }

/** A tree without programs runs anywhere, and readers look for this architecture first. */
const ANY = 'amd64'

const USUAL_PROGRAMS = ['bin/sh', 'usr/bin/env', 'bin/busybox']
/** Limit of programs to look into if none of the usual ones exists. */
const MOST_TRIED = 1000
const ELF_HEADER_BYTES = 20

/** Returns the name that OCI uses: `amd64`, `arm64`, `ppc64le`. */
export const architectureOf = (tree: MergedTree, data: DataSource[]): string =>
  programArchitecture(tree, data) ?? ANY

/** Like `architectureOf`; undefined for a tree without programs. */
export function programArchitecture(tree: MergedTree, data: DataSource[]): string | undefined {
  let tried = 0
  for (const { inode } of candidates(tree)) {
    const found = machineOf(tree, data, inode)
    if (found !== undefined) return found
    if (++tried === MOST_TRIED) break
  }
  return undefined
}

function* candidates(tree: MergedTree): Generator<MergedEntry> {
  for (const path of USUAL_PROGRAMS) {
    const entry = resolveFile(tree, path)
    if (entry !== undefined) yield entry
  }
  for (const entry of walk(tree)) if (entry.kind === Kind.file && isProgram(tree, entry.inode)) yield entry
}

function isProgram(tree: MergedTree, inode: number): boolean {
  const { index } = tree.layers[tree.inodeLayer[inode]]
  const source = tree.inodeSource[inode]
  return (index.mode[source] & 0o111) !== 0 && index.contentSize[index.payload[source]] > ELF_HEADER_BYTES
}

function machineOf(tree: MergedTree, data: DataSource[], inode: number): string | undefined {
  const layer = tree.inodeLayer[inode]
  const { index } = tree.layers[layer]
  const content = index.payload[tree.inodeSource[inode]]
  for (const { rawBytes } of new ContentBlocks(data[layer], index).read(content)) {
    const head = Buffer.from(rawBytes.subarray(0, ELF_HEADER_BYTES))
    if (head.length < ELF_HEADER_BYTES || head.toString('latin1', 0, 4) !== '\x7fELF') return undefined
    const isLittle = head[5] === LITTLE_ENDIAN
    const name = MACHINES[isLittle ? head.readUInt16LE(18) : head.readUInt16BE(18)]
    return (isLittle && LITTLE_ENDIAN_NAMES[name]) || name
  }
  return undefined
}

/** Linux follows as many before it fails with ELOOP. */
const MAX_LINKS = 40

/** The file at a path. Links are followed inside the tree. */
function resolveFile(tree: MergedTree, path: PathBytes): MergedEntry | undefined {
  let ahead = path.split('/')
  let reached: string[] = []
  for (let links = 0; ahead.length > 0; ) {
    const name = ahead.shift()!
    if (name === '' || name === '.') continue
    if (name === '..') {
      reached.pop()
      continue
    }
    const entry = findPath(tree, [...reached, name].join('/'))
    if (entry === undefined) return undefined
    if (entry.kind === Kind.symlink) {
      if (++links > MAX_LINKS) return undefined
      const target = linkTarget(tree, entry.inode)
      if (target.startsWith('/')) reached = []
      ahead = [...target.split('/'), ...ahead]
    } else if (entry.kind === Kind.directory) reached.push(name)
    else return entry.kind === Kind.file && ahead.length === 0 ? entry : undefined
  }
  return undefined
}

function linkTarget(tree: MergedTree, inode: number): PathBytes {
  const { index } = tree.layers[tree.inodeLayer[inode]]
  return pathFromBuffer(stringAt(index, index.payload[tree.inodeSource[inode]]))
}
