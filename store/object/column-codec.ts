/**
 * Column files: named typed arrays, one after another, little endian, each starting at a multiple of 8
 * (spec/object.md#columns). A reader gets views into one buffer, so no entry is parsed by itself.
 */

const constructors = {
  u8: Uint8Array,
  u16: Uint16Array,
  u32: Uint32Array,
  f64: Float64Array
} as const

export type ColumnType = keyof typeof constructors
export type Schema = Record<string, ColumnType>

interface CellsOf {
  u8: Uint8Array
  u16: Uint16Array
  u32: Uint32Array
  f64: Float64Array
}
export type Columns<S extends Schema> = { [K in keyof S]: CellsOf[S[K]] }

const ALIGNMENT = 8
const align = (position: number) => Math.ceil(position / ALIGNMENT) * ALIGNMENT

/** Table of (offset, byte length) pairs, then the columns in the schema's order. */
export function encodeColumns<S extends Schema>(schema: S, columns: Columns<S>): Buffer {
  const names = Object.keys(schema) as (keyof S & string)[]
  const table = new Float64Array(names.length * 2)
  let position = align(table.byteLength)
  names.forEach((name, i) => {
    table[2 * i] = position
    table[2 * i + 1] = columns[name].byteLength
    position = align(position + columns[name].byteLength)
  })
  const out = Buffer.alloc(position)
  out.set(bytesOf(table))
  names.forEach((name, i) => {
    out.set(bytesOf(columns[name]), table[2 * i])
  })
  return out
}

/**
 * Views into `bytes`, which must start at a multiple of 8 in its ArrayBuffer.
 * @throws RangeError naming the column that does not lie within `bytes`
 */
export function decodeColumns<S extends Schema>(schema: S, bytes: Uint8Array): Columns<S> {
  const names = Object.keys(schema) as (keyof S & string)[]
  if (bytes.byteLength < names.length * 16) throw new RangeError('column table is cut off')
  const table = new Float64Array(bytes.buffer, bytes.byteOffset, names.length * 2)
  const columns = {} as Record<string, unknown>
  names.forEach((name, i) => {
    const offset = table[2 * i]
    const lengthBytes = table[2 * i + 1]
    const View = constructors[schema[name]]
    const fits =
      Number.isSafeInteger(offset) &&
      Number.isSafeInteger(lengthBytes) &&
      offset >= names.length * 16 &&
      lengthBytes >= 0
    if (
      !fits ||
      offset % ALIGNMENT ||
      lengthBytes % View.BYTES_PER_ELEMENT ||
      offset + lengthBytes > bytes.byteLength
    )
      throw new RangeError(
        `column ${name} does not lie within the file: offset ${offset}, ${lengthBytes} bytes`
      )
    columns[name] = new View(
      bytes.buffer as ArrayBuffer,
      bytes.byteOffset + offset,
      lengthBytes / View.BYTES_PER_ELEMENT
    )
  })
  return columns as Columns<S>
}

/** The columns of a schema in its order. Each is a typed array itself and not of a subclass. */
export function plainColumns<S extends Schema>(schema: S, columns: Columns<S>): Columns<S> {
  const plain = {} as Record<string, unknown>
  for (const name of Object.keys(schema)) {
    const { buffer, byteOffset, length } = columns[name]
    plain[name] = new constructors[schema[name]](buffer as ArrayBuffer, byteOffset, length)
  }
  return plain as Columns<S>
}

const bytesOf = (view: ArrayBufferView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
