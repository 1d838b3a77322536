/** The folder of one capture, which holds its tree and the options of the launcher. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeOwnFolder, type OwnFolder } from '../../store/disk/index.ts'
import { whenStopped } from '../../store/values/index.ts'
import { holdFolder, removeAbandonedWork, workPrefix } from './abandoned-work.ts'
import { removeCaptured } from './owners-way.ts'

const OPTIONS = 'options'

export class WorkFolder {
  readonly path: string
  readonly tree: string
  readonly #trees: string[] = []
  readonly #folder: OwnFolder
  readonly #forget: () => void
  readonly #hold: ReturnType<typeof holdFolder>
  #isKept = false
  #hasEnded = false

  /** @throws StrataError IO */
  constructor(parent: string) {
    removeAbandonedWork(parent)
    this.#folder = makeOwnFolder(parent, workPrefix())
    this.path = this.#folder.path
    this.#hold = holdFolder(this.path)
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
      this.#hold.keep()
      this.#hold.end()
      return { tree: this.tree }
    }
    this.#removeTrees()
    this.#folder.remove()
    this.#hold.end()
    return {}
  }

  /** Also with folders that their user may not enter, as a command may have left them. */
  #removeTrees(): void {
    for (const tree of this.#trees) removeCaptured(tree)
  }
}
