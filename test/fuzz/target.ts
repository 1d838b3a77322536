import type { Random } from '../compose/helpers/random-layer.ts'

/** A parser of hostile input. */
export interface FuzzTarget {
  name: string
  /** Good inputs to begin with, small. */
  seeds(): Uint8Array[] | Promise<Uint8Array[]>
  /** A change that keeps checksums and lengths in order, so that what lies behind them is reached. */
  mutate?(bytes: Buffer, random: Random): Buffer
  /** Words of the format. */
  words?: (string | Uint8Array)[]
  /**
   * Parse, and check what came of it.
   * @throws StrataError when the input is refused: that is a good end; whatever else is thrown is a find
   */
  execute(bytes: Buffer): void | Promise<void>
}
