/** The folder of one capture, which holds its tree and the options of the launcher. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeOwnFolder, type OwnFolder } from '../../store/disk/index.ts'
import { whenStopped } from '../../store/values/index.ts'
import { removeCaptured } from './owners-way.ts'

const OPTIONS = 'options'

export class WorkFolder {
  readonly path: string
  readonly tree: string
  readonly #trees: string[] = []
  readonly #folder: OwnFolder
  readonly #forget: () => void
  #isKept = false
  #hasEnded = false

  /** @throws StrataError IO */
  constructor(parent: string) {
    this.#folder = makeOwnFolder(parent, 'compose-capture-')
    this.path = this.#folder.path
    this.tree = this.treeOf('tree')
    this.#forget = whenStopped(() => this.#removeTrees())
  }

  /** Path of a tree in it, which need not be there. */
  treeOf(name: string): string {
    const tree = join(this.path, name)
    this.#trees.push(tree)
    return tree
  }

  keep(): void {
    this.#isKept = true
  }

  /** Removes it, unless the tree is to be kept. Calling it again does nothing. */
  end(isKept: boolean): { tree?: string } {
    if (this.#hasEnded) return {}
    this.#hasEnded = true
    this.#forget()
    if (isKept || this.#isKept) {
      rmSync(join(this.path, OPTIONS), { force: true })
      return { tree: this.tree }
    }
    this.#removeTrees()
    this.#folder.remove()
    return {}
  }

  /** Also with folders that their user may not enter, as a command may have left them. */
  #removeTrees(): void {
    for (const tree of this.#trees) removeCaptured(tree)
  }
}
