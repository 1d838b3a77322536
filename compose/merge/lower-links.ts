/**
 * Hard links of a layer to files that only lower layers of its module have (spec/merge.md#lower). The index of a
 * layer is made from its archive alone, so it holds the path. Here the path becomes an inode of a lower layer.
 */
import { Kind, type LayerIndex, stringAt } from '../../store/object/index.ts'
import { pathFromBuffer, StrataError, showPath, type WorkLimit } from '../../store/values/index.ts'
import { applyLayer } from './apply-layer.ts'
import { noFindings } from './conflicts.ts'
import { GrowingTree } from './growing-tree.ts'
import { linkSteps, resolveName } from './resolve-link.ts'
import { SharedDirectories } from './shared-directories.ts'
import type { InodeOfLayer, LowerLinks, StackLayer } from './stack.ts'

const NO_LINKS: LowerLinks = new Map()

export const hasLowerLinks = ({ kind }: LayerIndex): boolean => kind.includes(Kind.hardlink)

/**
 * The targets of these links, by ordinal of their layer and by inode. Only layers of the same module are searched. So
 * the result does not depend on the rest of the stack, and no module reaches files of another one.
 * @throws StrataError TAR_INVALID for a path that no lower layer of the module has
 */
export function resolveLowerLinks(layers: StackLayer[]): LowerLinks {
  const modules = new Set(layers.filter(({ index }) => hasLowerLinks(index)).map(({ module }) => module))
  if (modules.size === 0) return NO_LINKS
  const found = new Map<number, ReadonlyMap<number, InodeOfLayer>>()
  for (const module of modules) resolveInModule(layers, module, found)
  return found
}

/** Merges the layers of a module one by one, and resolves the links of each layer before it is merged. */
function resolveInModule(
  layers: StackLayer[],
  module: number,
  found: Map<number, ReadonlyMap<number, InodeOfLayer>>
): void {
  const first = layers.findIndex(layer => layer.module === module)
  const own = layers.filter(layer => layer.module === module)
  const tree = GrowingTree.begin(own)
  const findings = noFindings() // faults of the module are reported when it is merged
  const shared = new SharedDirectories(tree, {}, findings)
  for (const [i, layer] of own.entries()) {
    const links = linksOf(tree, layer)
    if (links.size > 0) {
      tree.joinLinks(i, links)
      found.set(
        first + i,
        new Map([...links].map(([inode, to]) => [inode, { ...to, layer: first + to.layer }]))
      )
    }
    applyLayer(tree, i, {}, findings, shared)
  }
}

function linksOf(tree: GrowingTree, layer: StackLayer): Map<number, InodeOfLayer> {
  const { index } = layer
  const links = new Map<number, InodeOfLayer>()
  const steps = linkSteps(tree, layer.name)
  for (let inode = index.kind.indexOf(Kind.hardlink); inode >= 0; ) {
    links.set(inode, lowerInode(tree, layer, inode, steps))
    inode = index.kind.indexOf(Kind.hardlink, inode + 1)
  }
  return links
}

function lowerInode(tree: GrowingTree, layer: StackLayer, inode: number, steps: WorkLimit): InodeOfLayer {
  const target = stringAt(layer.index, layer.index.payload[inode])
  const found = resolveName(tree, target, steps)
  if ('fault' in found || tree.nodeKind[found.node] === Kind.directory) {
    const [path, to] = [pathOf(layer.index, inode), showPath(pathFromBuffer(target))]
    throw new StrataError('TAR_INVALID', {
      message:
        `${layer.name}: member ${path} is a hard link to ${to}, ` +
        `which ${'fault' in found ? 'neither its layer nor a lower one of the module holds' : 'is a directory'}`,
      facts: { member: path, target: to },
      hint: 'import the layers in their order, the lowest first, as one module; an image: without --base'
    })
  }
  return { layer: tree.nodeLayer[found.node], inode: tree.nodeInode[found.node] }
}

/** The first name of an inode, for messages. */
function pathOf({ kind, payload, entryCount, ...index }: LayerIndex, wanted: number): string {
  const names: string[] = []
  for (let inode = wanted; inode !== 0; ) {
    const entry = index.entryInode.indexOf(inode)
    const start = index.entryNameStart[entry]
    const name = index.names.subarray(start, start + index.entryNameLength[entry])
    names.push(showPath(pathFromBuffer(name)))
    inode = kind.findIndex(
      (of, i) => of === Kind.directory && entry >= payload[i] && entry < payload[i] + entryCount[i]
    )
  }
  return names.reverse().join('/')
}
