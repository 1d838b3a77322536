import { type DataTables, NONE } from '../../store/object/index.ts'

/** A thread by its number, or the one that makes the names. */
export type LaneOfFragment = number | 'here'

const UNKNOWN = 0
const HERE = 1
const FIRST_THREAD = 2

/** Who unpacked a fragment block has it at hand for the next file whose tail is in it: most are in the same directory. */
export class FragmentLanes {
  readonly #layers: Pick<DataTables, 'contentFragment'>[]
  readonly #lanes: Uint8Array[]

  constructor(layers: Pick<DataTables, 'contentFragment' | 'fragmentStart'>[]) {
    this.#layers = layers
    this.#lanes = layers.map(({ fragmentStart }) => new Uint8Array(fragmentStart.length))
  }

  /** @returns undefined when nobody has the tail of this content at hand, or it has none */
  of(layer: number, content: number): LaneOfFragment | undefined {
    const fragment = this.#layers[layer].contentFragment[content]
    const lane = fragment === NONE ? UNKNOWN : this.#lanes[layer][fragment]
    if (lane === UNKNOWN) return undefined
    return lane === HERE ? 'here' : lane - FIRST_THREAD
  }

  /** The first counts: who had no room for one more file still has the block. */
  note(layer: number, content: number, lane: LaneOfFragment): void {
    const fragment = this.#layers[layer].contentFragment[content]
    if (fragment === NONE || this.#lanes[layer][fragment] !== UNKNOWN) return
    this.#lanes[layer][fragment] = lane === 'here' ? HERE : FIRST_THREAD + lane
  }
}
