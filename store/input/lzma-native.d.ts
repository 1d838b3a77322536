/** The part of lzma-native that is used here; the package has no types of its own. */
declare module 'lzma-native' {
  type Output = Buffer | null | undefined

  interface LzmaStream {
    /** @param flags sum of TELL_* and CONCATENATED */
    streamDecoder_(memoryLimitBytes: number, flags: number): void
    /** Of a single stream in the form of `.lzma`. */
    aloneDecoder_(memoryLimitBytes: number): void
    /** Decode input, null to end it; with `isAsync` false the handler has been called when this returns. */
    code(input: Buffer | null, isAsync: boolean): void
    /**
     * Called with output; with null and an error or null when the stream failed or ended, then with the bytes of input that
     * were used of all streams; else without either.
     */
    bufferHandler: (
      output: Output,
      inputCount: number | undefined,
      error: Error | null | undefined,
      totalIn?: number | null
    ) => void
    /** Free what liblzma holds. */
    resetUnderlying(): void
  }

  interface Lzma {
    Stream: new () => LzmaStream
    /** Go on with the next stream of a file, and check the padding between. */
    CONCATENATED: number
    /** Fail on a checksum type that cannot be verified, instead of skipping it. */
    TELL_UNSUPPORTED_CHECK: number
  }

  const lzma: Lzma

  export type { Lzma, LzmaStream }
  export default lzma
}
