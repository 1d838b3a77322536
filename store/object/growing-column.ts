import type { Columns, Schema } from './column-codec.ts'

/** A typed array that grows by doubling, so that a million rows cost four or eight megabytes and no objects. */
export class GrowingColumn<T extends Uint8Array | Uint16Array | Uint32Array | Float64Array> {
  #cells: T
  #length = 0
  readonly #create: (length: number) => T

  constructor(create: (length: number) => T, capacity = 1024) {
    this.#create = create
    this.#cells = create(capacity)
  }

  get length(): number {
    return this.#length
  }

  push(value: number): number {
    if (this.#length === this.#cells.length) this.#grow(this.#length + 1)
    this.#cells[this.#length] = value
    return this.#length++
  }

  /** Appends many values. */
  append(values: T): void {
    if (this.#length + values.length > this.#cells.length) this.#grow(this.#length + values.length)
    this.#cells.set(values, this.#length)
    this.#length += values.length
  }

  get(i: number): number {
    return this.#cells[i]
  }

  set(i: number, value: number): void {
    this.#cells[i] = value
  }

  truncate(length: number): void {
    this.#length = length
  }

  /** A view of the rows so far. Later pushes may move the column to other memory. */
  view(): T {
    return this.#cells.subarray(0, this.#length) as T
  }

  #grow(atLeast: number): void {
    const larger = this.#create(Math.max(atLeast, 2 * this.#cells.length))
    larger.set(this.#cells)
    this.#cells = larger
  }
}

export const u8Column = () => new GrowingColumn(length => new Uint8Array(length))
export const u16Column = () => new GrowingColumn(length => new Uint16Array(length))
export const u32Column = () => new GrowingColumn(length => new Uint32Array(length))
export const f64Column = () => new GrowingColumn(length => new Float64Array(length))

const CREATE = { u8: u8Column, u16: u16Column, u32: u32Column, f64: f64Column } as const

export type GrowingColumns<S extends Schema> = { readonly [K in keyof S]: ReturnType<(typeof CREATE)[S[K]]> }

/** An empty column for each one of the schema, so that only the schema lists a table's columns. */
export const growingColumns = <S extends Schema>(schema: S): GrowingColumns<S> =>
  Object.fromEntries(
    Object.entries(schema).map(([name, type]) => [name, CREATE[type]()])
  ) as unknown as GrowingColumns<S>

/** The rows so far, as columns to write. */
export const viewColumns = <S extends Schema>(columns: GrowingColumns<S>): Columns<S> =>
  Object.fromEntries(
    Object.entries(columns as Record<string, { view(): unknown }>).map(([name, column]) => [
      name,
      column.view()
    ])
  ) as Columns<S>
