/** One stage of a build: its tree, restored from the cache or made step by step. */
import type { Bound } from '../../store/access/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { formatCid } from '../../store/values/index.ts'
import { keepPackages, recordsOfTree, type WorkFolder } from '../capture/index.ts'
import { epochOf, keepBounds } from '../sandbox/index.ts'
import { boundsOfTarget } from '../sources/index.ts'
import type { StageBase } from './imported-base.ts'
import type { DefinitionRequest, OtherStage, StagePlan, StageRecipe, Taken } from './stage-plan.ts'
import { hashOf, keysOf } from './step.ts'
import { buildTree, type StepCache } from './step-cache.ts'

export interface BuildingStage {
  store: Repository
  asked: DefinitionRequest
  work: WorkFolder
  cache: StepCache
  base: StageBase
  others: ReadonlyMap<string, OtherStage>
  /** From 1. */
  number: number
  isLast: boolean
}

export class StageBuild implements OtherStage {
  readonly recipe: StageRecipe
  readonly base: StageBase
  readonly plan: StagePlan
  readonly taken: Taken = { environment: '', labels: '' }
  readonly #building: BuildingStage
  readonly #keys: (string | undefined)[]
  #tree: Promise<string> | undefined

  constructor(recipe: StageRecipe, building: BuildingStage) {
    const { base, asked, others, work } = building
    this.recipe = recipe
    this.base = base
    this.#building = building
    this.plan = recipe.plan({
      ...{ asked, others, taken: this.taken, work: work.path },
      recordsOf: async tree => [...base.unnamed, ...(await recordsOfTree(tree))],
      epochOf: tree => asked.epoch ?? epochOf(tree)
    })
    this.#keys = keysOf(this.#baseKey(), this.plan.steps)
  }

  /** What the tree depends on; undefined if that is not known. */
  get key(): string | undefined {
    return this.plan.steps.length === 0 ? this.#baseKey() : this.#keys.at(-1)
  }

  #baseKey(): string {
    const { base, asked, store } = this.#building
    const modules = base.target.modules.map(({ name, record, layers }) => [
      name ?? '',
      record === undefined ? '' : formatCid(record),
      layers.map(formatCid)
    ])
    return hashOf([
      'base',
      process.arch,
      store.root,
      modules,
      base.unnamed.map(({ environment }) => environment),
      asked.epoch ?? ''
    ])
  }

  /** True if a step of this stage, or of one that it copies from, is to see what changed outside. */
  get mustRun(): boolean {
    const { asked, others } = this.#building
    const isStale = this.plan.steps.some(({ seesOutside }) => seesOutside)
    return asked.isUpdate && (isStale || [...others.values()].some(other => (other as StageBuild).mustRun))
  }

  /** Runs its steps, unless it is known how they end. */
  async ensure(): Promise<void> {
    const last = this.#lastSlow()
    const key = last < 0 ? undefined : this.#keys[last]
    const { cache, isLast } = this.#building
    if (!isLast && this.plan.steps.length === 0) return
    if (!isLast && !this.mustRun && key !== undefined && cache.has(key)) return
    await this.tree()
  }

  tree(): Promise<string> {
    this.#tree ??= this.#make()
    return this.#tree
  }

  /**
   * Keeps the tree as it is, for when what it was to become was refused.
   * @returns true if the next build finds it
   */
  async keepTree(): Promise<boolean> {
    const key = this.#keys[this.#lastSlow()]
    const { cache } = this.#building
    if (key === undefined || this.#tree === undefined) return false
    if (!cache.has(key)) await cache.keepTree(key, await this.#tree)
    return cache.has(key)
  }

  #lastSlow = (): number => this.plan.steps.findLastIndex(({ isSlow }) => isSlow)

  async #make(): Promise<string> {
    const { asked, work, number } = this.#building
    const tree = work.treeOf(`stage-${number}`)
    const done = await this.#restore(tree)
    keepBounds(tree, await this.#bounds()) // a tree that is kept goes its own ways
    for (const [i, step] of this.plan.steps.entries()) {
      if (i < done) continue
      if (step.isSlow) asked.note(step.what)
      await step.run(tree)
      if (this.#isWorthKeeping(i)) await this.#building.cache.keepTree(this.#keys[i]!, tree)
    }
    return tree
  }

  /** Access of all that the tree is made of, or can have copies of. */
  async #bounds(): Promise<Bound[]> {
    const { store, others } = this.#building
    const bounds: Bound[] = []
    for (const { base, recipe } of [...(others.values() as Iterable<StageBuild>), this])
      bounds.push(...(await boundsOfTarget(store, base, recipe.what)))
    return bounds
  }

  /** The tree of the last stage becomes a layer, which is known by itself. */
  #isWorthKeeping(i: number): boolean {
    const { steps } = this.plan
    if (!steps[i].isSlow || this.#keys[i] === undefined) return false
    return !this.#building.isLast || steps.slice(i + 1).some(({ isSettings }) => isSettings !== true)
  }

  /** @returns number of steps whose results the tree has */
  async #restore(tree: string): Promise<number> {
    const { asked, cache, base, store } = this.#building
    const { steps } = this.plan
    const onBytes = (bytes: number) => asked.onProgress('tree', bytes)
    const stale = asked.isUpdate ? steps.findIndex(({ seesOutside }) => seesOutside) : -1
    for (let i = (stale < 0 ? steps.length : stale) - 1; i >= 0; i--) {
      const key = this.#keys[i]
      if (!steps[i].isSlow || key === undefined) continue
      if (!(await cache.restoreTree(key, base.target, tree, onBytes))) continue
      asked.note(`${steps[i].what}: as before`)
      return i + 1
    }
    await buildTree(store, base.target, tree, onBytes)
    keepPackages(tree)
    return 0
  }
}
