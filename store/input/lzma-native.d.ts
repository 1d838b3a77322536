/** The part of lzma-native that is used here; the package has no types of its own. */
declare module 'lzma-native' {
  type Output = Buffer | null | undefined

  interface LzmaStream {
    /** @param flags sum of TELL_* and CONCATENATED */
    streamDecoder_(memoryLimitBytes: number, flags: number): void
    /** Decodes a single stream of the `.lzma` form. */
    aloneDecoder_(memoryLimitBytes: number): void
    /** Decodes input; null ends it. If `isAsync` is false, the handler has been called when this returns. */
    code(input: Buffer | null, isAsync: boolean): void
    /**
     * Called with output, without the other arguments. When the stream has ended or failed, called with null, with null
     * or an error, and with the number of input bytes that all streams used.
     */
    bufferHandler: (
      output: Output,
      inputCount: number | undefined,
      error: Error | null | undefined,
      totalIn?: number | null
    ) => void
    /** Frees the memory of liblzma. */
    resetUnderlying(): void
  }

  interface Lzma {
    Stream: new () => LzmaStream
    /** Goes on with the next stream of a file, and checks the padding between them. */
    CONCATENATED: number
    /** Fails on a checksum type that cannot be verified, instead of skipping it. */
    TELL_UNSUPPORTED_CHECK: number
  }

  const lzma: Lzma

  export type { Lzma, LzmaStream }
  export default lzma
}
