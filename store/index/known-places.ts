/**
 * Looks blocks up that may have been packed before, in the databases of all stores that are searched. Nothing that they
 * say is believed: the worker that gets a place compares what lies there (store/object/known-block.ts).
 */
import { debuglog } from 'node:util'
import type { StoreRoot } from '../files/index.ts'
import type { FoundBlock, KnownBlocks } from '../object/index.ts'
import type { Profile } from '../values/index.ts'
import { type BlockView, openBlockViews } from './block-view.ts'
import { OpenParts } from './open-parts.ts'

const debug = debuglog('strata')

interface Question {
  hash: Uint8Array
  answer(found: FoundBlock | undefined): void
}

export class KnownPlaces implements KnownBlocks {
  readonly #roots: string[]
  readonly #profile: Profile
  readonly #parts = new OpenParts()
  #views: Promise<BlockView[]> | undefined
  #questions: Question[] = []
  #asking: Promise<void> | undefined

  /** Databases are opened at the first question: an import without a block needs none. */
  constructor(searched: readonly StoreRoot[], profile: Profile) {
    this.#roots = searched.map(({ root }) => root)
    this.#profile = profile
  }

  find(hash: Uint8Array): Promise<FoundBlock | undefined> {
    return new Promise(resolve => {
      this.#questions.push({ hash, answer: resolve })
      this.#asking ??= this.#askAll()
    })
  }

  /** Call it when no block is being looked up any more. */
  async close(): Promise<void> {
    await this.#asking
    for (const view of (await this.#views) ?? []) await view.close()
    this.#parts.close()
  }

  /** All blocks that were asked for meanwhile are looked up together, in one call to a thread. */
  async #askAll(): Promise<void> {
    this.#views ??= this.#openViews()
    const views = await this.#views
    while (this.#questions.length > 0) {
      let open = this.#questions.splice(0)
      for (const view of [...views]) open = await this.#ask(view, open)
      for (const { answer } of open) answer(undefined)
    }
    this.#asking = undefined
  }

  /** @returns the questions that this database does not answer */
  async #ask(view: BlockView, questions: Question[]): Promise<Question[]> {
    if (questions.length === 0) return []
    try {
      const places = await view.places(
        this.#profile,
        questions.map(({ hash }) => hash)
      )
      const open: Question[] = []
      for (const [i, question] of questions.entries()) {
        const place = places[i]
        const found = place && this.#parts.find(view.root, place)
        if (found === undefined) open.push(question)
        else question.answer(found)
      }
      return open
    } catch (error) {
      debug('blocks in the index of %s cannot be looked up: %o', view.root, error)
      return questions
    }
  }

  async #openViews(): Promise<BlockView[]> {
    const views: BlockView[] = []
    for (const root of this.#roots)
      try {
        views.push(...(await openBlockViews(root)))
      } catch (error) {
        debug('no blocks of %s are known: %o', root, error)
      }
    return views
  }
}
