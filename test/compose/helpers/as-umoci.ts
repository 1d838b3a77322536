/** Layers of one module as umoci unpacks them, beside what a merge makes of them: a line for each path. */
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { mergeLayers } from '../../../compose/merge/merge-layers.ts'
import type { MergedTree } from '../../../compose/merge/merged-tree.ts'
import { walk } from '../../../compose/merge/walk-tree.ts'
import { Kind, stringAt } from '../../../store/object/layer-index.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { LayoutMaker, named } from '../../helpers/oci-layout.ts'
import { realTree } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { asOneModule, compile, PROFILE, stackOf } from './compile.ts'
import { hashesHold } from './hashes-hold.ts'

/** The tree that umoci unpacks from the layers; undefined if it refuses them. */
export function unpacked(layers: Buffer[]): string[] | undefined {
  const folder = scratch()
  const layout = new LayoutMaker(join(folder, 'layout'))
  layout.index(named(layout.image(layers), 'x'))
  try {
    execFileSync('umoci', ['unpack', '--image', `${layout.folder}:x`, join(folder, 'bundle')], {
      stdio: 'pipe'
    })
  } catch {
    return undefined
  }
  const lines = realLines(join(folder, 'bundle/rootfs'))
  rmSync(folder, { recursive: true })
  return lines
}

function realLines(root: string): string[] {
  const firstOf = new Map<bigint, string>()
  return [...realTree(root)]
    .filter(([path]) => path !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, { kind, mode, uid, target, contentHash, inode }]) => {
      if (!firstOf.has(inode)) firstOf.set(inode, path)
      const isLink = kind === 'symlink'
      return `${path} ${kind} ${isLink ? target : `${mode.toString(8)} ${uid} ${contentHash.slice(0, 8)}`} ${firstOf.get(inode)}`
    })
}

const KIND_NAME: Record<number, string> = {
  [Kind.directory]: 'directory',
  [Kind.file]: 'file',
  [Kind.symlink]: 'symlink'
}

export function mergedLines(tree: MergedTree): string[] {
  const firstOf = new Map<number, string>()
  return [...walk(tree)]
    .filter(({ path }) => path !== '')
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, inode, kind }) => {
      if (!firstOf.has(inode)) firstOf.set(inode, path)
      const { index } = tree.layers[tree.inodeLayer[inode]]
      const source = tree.inodeSource[inode]
      const content = index.payload[source]
      const hash =
        kind === Kind.file
          ? Buffer.from(index.contentHash.subarray(32 * content, 32 * content + 4)).toString('hex')
          : ''
      const what =
        kind === Kind.symlink
          ? Buffer.from(stringAt(index, content)).toString()
          : `${index.mode[source].toString(8)} ${index.uid[source]} ${hash}`
      return `${path} ${KIND_NAME[kind]} ${what} ${firstOf.get(inode)}`
    })
}

/**
 * The tree that our merge makes of the layers; undefined if it refuses them because a layer contradicts itself or
 * those below.
 */
export async function merged(tars: Buffer[]): Promise<string[] | undefined> {
  try {
    const layers = await Promise.all(tars.map((tar, i) => compile(tar, PROFILE, { hasLower: i > 0 })))
    const tree = mergeLayers(stackOf(asOneModule(layers)))
    hashesHold(tree)
    return mergedLines(tree)
  } catch (error) {
    if (error instanceof StrataError && ['TAR_INVALID', 'CONFLICT'].includes(error.code)) return undefined
    throw error
  }
}
