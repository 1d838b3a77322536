/** The used part of WebAssembly. TypeScript has its types among those of browsers, and @types/node has none. */

export interface WasmMemory {
  /** A new object after each growth. */
  readonly buffer: ArrayBuffer
  /** @throws RangeError */
  grow(pages: number): number
}

export type WasmFunction = (...words: (number | bigint)[]) => number

/** Compiled code. */
export type WasmModule = object

interface Constructors {
  Module: new (bytes: Uint8Array) => WasmModule
  /** @param imports by module, then by name */
  Instance: new (
    module: WasmModule,
    imports: Record<string, Record<string, (...words: number[]) => number>>
  ) => { readonly exports: Record<string, WasmFunction | WasmMemory> }
  /** A trap: the code did something that WebAssembly forbids. */
  RuntimeError: new () => Error
}

export const { WebAssembly } = globalThis as unknown as { WebAssembly: Constructors }
