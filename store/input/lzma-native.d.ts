/** The part of lzma-native that is used here; the package has no types of its own. */
declare module 'lzma-native' {
  type Output = Buffer | null | undefined

  interface LzmaStream {
    /** @param flags sum of TELL_* and CONCATENATED */
    streamDecoder_(memoryLimitBytes: number, flags: number): void
    /** Decode input, null to end it; with `isAsync` false the handler has been called when this returns. */
    code(input: Buffer | null, isAsync: boolean): void
    /** Called with output; with null and an error or null when the stream failed or ended; else without either. */
    bufferHandler: (output: Output, inputCount: number | undefined, error: Error | null | undefined) => void
    /** Free what liblzma holds. */
    resetUnderlying(): void
  }

  const lzma: {
    Stream: new () => LzmaStream
    /** Go on with the next stream of a file, and check the padding between. */
    CONCATENATED: number
    /** Fail on a checksum type that cannot be verified, instead of skipping it. */
    TELL_UNSUPPORTED_CHECK: number
  }

  export type { LzmaStream }
  export default lzma
}
