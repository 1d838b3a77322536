/** Some of the bytes of a file or a blob. */
export interface Stretch {
  start: number
  lengthBytes: number
}

/** Bytes of several together. */
export const bytesOf = (some: readonly { lengthBytes: number }[]): number =>
  some.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)
