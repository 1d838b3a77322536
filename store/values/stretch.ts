/** Some of the bytes of a file or a blob. */
export interface Stretch {
  start: number
  lengthBytes: number
}
