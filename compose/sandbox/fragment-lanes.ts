import { type DataTables, NONE } from '../../store/object/index.ts'

/** Number of a thread, or the main thread, which makes the names. */
export type LaneOfFragment = number | 'here'

const UNKNOWN = 0
const HERE = 1
const FIRST_THREAD = 2

/**
 * Remembers which thread unpacked a fragment block. It still has the block for the next file with a tail in it, and
 * most such files are in the same directory.
 */
export class FragmentLanes {
  readonly #layers: Pick<DataTables, 'contentFragment'>[]
  readonly #lanes: Uint8Array[]

  constructor(layers: Pick<DataTables, 'contentFragment' | 'fragmentStart'>[]) {
    this.#layers = layers
    this.#lanes = layers.map(({ fragmentStart }) => new Uint8Array(fragmentStart.length))
  }

  /** @returns undefined if no thread has the tail of this content, or the content has no tail */
  of(layer: number, content: number): LaneOfFragment | undefined {
    const fragment = this.#layers[layer].contentFragment[content]
    const lane = fragment === NONE ? UNKNOWN : this.#lanes[layer][fragment]
    if (lane === UNKNOWN) return undefined
    return lane === HERE ? 'here' : lane - FIRST_THREAD
  }

  /** The first thread counts: it still has the block, even if it had no room for another file. */
  note(layer: number, content: number, lane: LaneOfFragment): void {
    const fragment = this.#layers[layer].contentFragment[content]
    if (fragment === NONE || this.#lanes[layer][fragment] !== UNKNOWN) return
    this.#lanes[layer][fragment] = lane === 'here' ? HERE : FIRST_THREAD + lane
  }
}
