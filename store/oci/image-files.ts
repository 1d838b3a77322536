/** The files of an image, in a folder or in an archive. */

export interface ImageFiles {
  /** The folder or archive as the user named it. */
  readonly name: string
  /** Its base name, for the record; undefined for standard input. */
  readonly fileName: string | undefined
  /**
   * @param path relative, `/` between components, none of them `..`
   * @returns undefined if it does not exist
   * @throws StrataError SOURCE_INVALID if it is not a regular file; IO
   */
  find(path: string): ImageFile | undefined
  close(): Promise<void>
}

export interface ImageFile {
  sizeBytes: number
  /** All bytes, in chunks that belong to the caller. May be called more than once. */
  chunks(): AsyncIterable<Uint8Array>
}
