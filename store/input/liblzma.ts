/**
 * liblzma, which decodes .xz and .lzma, compiled to WebAssembly: the file liblzma.wasm of the package node-liblzma. None of
 * that package's own code is used, because it can neither bound memory as needed nor decode without promises.
 *
 * Each decoder has a memory of its own, and can call nothing but a function that lets this memory grow. A fault in
 * liblzma that hostile input finds can damage no other memory of the process.
 */
import { readLiblzma } from '../../native/index.ts'
import { type WasmFunction, type WasmMemory, type WasmModule, WebAssembly } from './web-assembly.ts'

/** Names that the linker gave the functions, from lib/wasm/liblzma.js in the package; a test compares them. */
export const LIBLZMA_NAMES = {
  start: 'c',
  lzma_version_string: 'e',
  lzma_code: 'f',
  lzma_auto_decoder: 'o',
  lzma_stream_decoder: 'r',
  malloc: 's'
} as const
const MEMORY = 'b'

/** Offsets of the fields of lzma_stream with 32-bit pointers (lzma/base.h). */
const NEXT_IN = 0
const AVAILABLE_IN = 4
const TOTAL_IN = 8
const NEXT_OUT = 16
const AVAILABLE_OUT = 20
const STREAM_BYTES = 88

const INPUT_BYTES = 1 << 16
const OUTPUT_BYTES = 1 << 18

/** Flags of the stream decoder: fail on a checksum that cannot be verified, go on with the next stream of a file. */
const TELL_UNSUPPORTED_CHECK = 2
const CONCATENATED = 8
const RUN = 0
const FINISH = 3

const OK = 0
const STREAM_END = 1

export type LzmaFault = 'cut' | 'memory' | 'damaged'

/** The reason why liblzma stopped. */
export class LzmaError extends Error {
  override readonly name = 'LzmaError'
  readonly fault: LzmaFault

  constructor(fault: LzmaFault, message: string) {
    super(message)
    this.fault = fault
  }
}

/** Return codes (lzma/base.h). */
const FAULTS = new Map<number, [LzmaFault, string]>([
  [3, ['damaged', 'its checksum is of a type that cannot be verified']],
  [5, ['memory', 'no memory']],
  [6, ['memory', 'the limit of memory']],
  [7, ['damaged', 'file format not recognized']],
  [8, ['damaged', 'options that are not supported']],
  [9, ['damaged', 'data is corrupt']],
  [10, ['cut', 'the stream ends too early']]
])

/** `streams` are all of an .xz file with the padding between them, `stream` is a single one, `lzma` the older form. */
export type LzmaForm = 'streams' | 'stream' | 'lzma'

/** First bytes of .xz and .lz files, which the decoder of .lzma would accept too. No .lzma file begins with them. */
const OTHER_FORMS = [0xfd, 0x4c]

export class LzmaDecoder {
  readonly #memory: WasmMemory
  readonly #code: (stream: number, action: number) => number
  readonly #begin: () => number
  readonly #form: LzmaForm
  readonly #stream: number
  readonly #input: number
  readonly #output: number
  #isBegun = false

  /** @param memoryBytes limit for the dictionary, whose size the input states; an input that needs more is refused */
  constructor(form: LzmaForm, memoryBytes: number) {
    const { memory, call } = instantiate()
    this.#memory = memory
    this.#form = form
    const [stream, input, output] = [STREAM_BYTES, INPUT_BYTES, OUTPUT_BYTES].map(bytes =>
      call('malloc', bytes)
    )
    this.#stream = stream
    this.#input = input
    this.#output = output
    new Uint8Array(memory.buffer, stream, STREAM_BYTES).fill(0)
    this.#code = (...words) => call('lzma_code', ...words)
    const flags = TELL_UNSUPPORTED_CHECK | (form === 'streams' ? CONCATENATED : 0)
    this.#begin = () =>
      form === 'lzma'
        ? call('lzma_auto_decoder', stream, BigInt(memoryBytes), 0)
        : call('lzma_stream_decoder', stream, BigInt(memoryBytes), flags)
    this.restart()
  }

  /** Starts anew for other input. */
  restart(): void {
    check(this.#begin())
    this.#isBegun = false
  }

  /** Number of input bytes used. */
  get usedBytes(): number {
    return Number(this.#view().getBigUint64(this.#stream + TOTAL_IN, true))
  }

  /**
   * Yields the output of some input, in pieces of at most 256 KiB that belong to the caller. It decodes only as asked
   * for.
   * @param isLast true if no input follows
   * @returns true if the stream has ended; input behind its end was not used
   * @throws LzmaError
   */
  *decode(input: Uint8Array, isLast: boolean): Generator<Buffer, boolean, void> {
    if (input.length > 0) this.#checkForm(input[0])
    for (let at = 0; ; at += INPUT_BYTES) {
      const part = input.subarray(at, at + INPUT_BYTES)
      const isEnd = at + INPUT_BYTES >= input.length
      if (part.length > 0 || isLast) {
        const hasEnded = yield* this.#decodePart(part, isLast && isEnd ? FINISH : RUN)
        if (hasEnded) return true
      }
      if (isEnd) return false
    }
  }

  *#decodePart(part: Uint8Array, action: number): Generator<Buffer, boolean, void> {
    new Uint8Array(this.#memory.buffer).set(part, this.#input)
    const view = this.#view()
    view.setUint32(this.#stream + NEXT_IN, this.#input, true)
    view.setUint32(this.#stream + AVAILABLE_IN, part.length, true)
    for (;;) {
      this.#view().setUint32(this.#stream + NEXT_OUT, this.#output, true)
      this.#view().setUint32(this.#stream + AVAILABLE_OUT, OUTPUT_BYTES, true)
      const status = this.#code(this.#stream, action)
      const isFull = this.#view().getUint32(this.#stream + AVAILABLE_OUT, true) === 0
      const output = this.#take()
      if (output.length > 0) yield output
      if (status === STREAM_END) return true
      check(status)
      const isUsed = this.#view().getUint32(this.#stream + AVAILABLE_IN, true) === 0
      if (isUsed && !isFull && action === RUN) return false
    }
  }

  #take(): Buffer {
    const lengthBytes = OUTPUT_BYTES - this.#view().getUint32(this.#stream + AVAILABLE_OUT, true)
    return Buffer.from(new Uint8Array(this.#memory.buffer, this.#output, lengthBytes)) // a copy
  }

  #checkForm(firstByte: number): void {
    if (this.#form === 'lzma' && !this.#isBegun && OTHER_FORMS.includes(firstByte)) check(7)
    this.#isBegun = true
  }

  /** Made anew each time, because memory that has grown has another buffer. */
  #view(): DataView {
    return new DataView(this.#memory.buffer)
  }
}

function check(status: number): void {
  if (status === OK) return
  const [fault, message] = FAULTS.get(status) ?? ['damaged', `liblzma's status ${status}`]
  throw new LzmaError(fault, message)
}

/** Version of liblzma, from the library itself. */
export function liblzmaVersion(): string {
  const { memory, call } = instantiate()
  const bytes = Buffer.from(memory.buffer, call('lzma_version_string'))
  return bytes.toString('latin1', 0, bytes.indexOf(0))
}

interface Instance {
  memory: WasmMemory
  /** @throws LzmaError, also if the code traps */
  call(name: keyof typeof LIBLZMA_NAMES, ...words: (number | bigint)[]): number
}

function instantiate(): Instance {
  /** Called if malloc finds no room: the memory that it needs in all. */
  const grow = (bytes: number): number => {
    try {
      memory.grow(Math.ceil(((bytes >>> 0) - memory.buffer.byteLength) / PAGE_BYTES))
      return 1
    } catch {
      return 0
    }
  }
  const { exports } = new WebAssembly.Instance(compileLiblzma(), { a: { a: grow } })
  const memory = exports[MEMORY] as WasmMemory
  const call: Instance['call'] = (name, ...words) => {
    try {
      return (exports[LIBLZMA_NAMES[name]] as WasmFunction)(...words)
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error
      throw new LzmaError('damaged', `liblzma failed: ${error.message}`)
    }
  }
  call('start')
  return { memory, call }
}

const PAGE_BYTES = 65_536
/**
 * Limits of memory in pages: the module's own in its memory section, 4096, and ours, 10240, which is the dictionary
 * that `xz.ts` allows and some more.
 */
const MEMORY_SECTION = Buffer.from('05050101108020', 'hex')
const LARGER_SECTION = Buffer.from('05050101108050', 'hex')

let module: WasmModule | undefined

function compileLiblzma(): WasmModule {
  if (module !== undefined) return module
  const bytes = readLiblzma()
  const at = bytes.indexOf(MEMORY_SECTION)
  if (at < 0) throw new Error('liblzma.wasm has another memory section than that of node-liblzma 5.1.3')
  LARGER_SECTION.copy(bytes, at)
  module = new WebAssembly.Module(bytes)
  return module
}
