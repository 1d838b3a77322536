import type { MergedTree } from '../../../compose/merge/merged-tree.ts'
import { walk } from '../../../compose/merge/walk-tree.ts'
import { Kind, stringAt } from '../../../store/object/layer-index.ts'

const LETTER: Record<number, string> = {
  [Kind.directory]: 'd',
  [Kind.file]: '-',
  [Kind.symlink]: 'l',
  [Kind.block]: 'b',
  [Kind.character]: 'c',
  [Kind.fifo]: 'p'
}

/** `d755 m0 usr/`: type and mode, the module that owns the name, the path; links with their target. */
export const shownTree = (tree: MergedTree): string[] =>
  [...walk(tree)]
    .filter(({ path }) => path !== '')
    .map(({ path, inode, kind, layer }) => {
      const { index } = tree.layers[tree.inodeLayer[inode]]
      const source = tree.inodeSource[inode]
      const mode = index.mode[source].toString(8)
      const target = kind === Kind.symlink ? ` -> ${Buffer.from(stringAt(index, index.payload[source]))}` : ''
      return `${LETTER[kind]}${mode} m${tree.layers[layer].module} ${path}${target}`
    })

/** Paths alone. */
export const paths = (tree: MergedTree): string[] =>
  [...walk(tree)].map(({ path }) => path).filter(path => path !== '')
