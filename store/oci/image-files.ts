/** The files of an image, in a folder, in an archive or in a registry. */

/** A blob as the document describes it that names it. */
export interface NamedBlob {
  mediaType: string
  digest: BlobDigest
  sizeBytes: number
}

export interface BlobDigest {
  algorithm: 'sha256' | 'sha512'
  /** Lower case. */
  hex: string
}

export interface ImageFiles {
  /** The folder, archive or address as the user named it. */
  readonly name: string
  /** Its base name, for the record; undefined for standard input and a registry. */
  readonly fileName: string | undefined
  /**
   * @param path relative, `/` between components, none of them `..`
   * @param announced what names a blob: a registry is asked for manifests and for other blobs in different ways
   * @returns undefined if it does not exist
   * @throws StrataError SOURCE_INVALID if it is not a regular file; IO
   */
  find(path: string, announced?: NamedBlob): ImageFile | undefined
  close(): Promise<void>
}

export interface ImageFile {
  sizeBytes: number
  /** All bytes, in chunks that belong to the caller. May be called more than once. */
  chunks(): AsyncIterable<Uint8Array>
}
