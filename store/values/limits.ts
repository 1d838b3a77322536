/** Limits beyond which an archive is refused. Each has a flag of `compose import`. */
export interface Limits {
  /** Members of one archive. */
  entries: number
  /** Components of a path. */
  pathDepth: number
  /** Bytes of a path. */
  pathBytes: number
  /** Bytes of all paths and link targets of one archive, and of all its different attributes and ACLs. */
  metadataBytes: number
  /** Logical bytes of all files of one archive, holes of sparse files included. */
  totalBytes: number
  /** Decoded bytes (holes included) for each byte read. It applies after `RATIO_FLOOR_BYTES` decoded bytes. */
  expansionRatio: number
  /** Bytes of one PAX or GNU long-name header. */
  paxBytes: number
  /** Refuse oddities, which are otherwise accepted or left out with a notice (spec/tar.md#oddities). */
  strict: boolean
}

export const RATIO_FLOOR_BYTES = 1 << 30

/**
 * An import keeps its tree in memory: 350 bytes for a name in a large folder, up to 800 with a content of its own. So
 * these limits bound it to some 2 GB and a minute. The largest known layers, Python environments and data sets of small
 * files, have a million names.
 */
export const DEFAULT_LIMITS: Limits = {
  entries: 2_000_000,
  pathDepth: 1024,
  pathBytes: 65_536,
  metadataBytes: 1 << 30,
  totalBytes: 2 ** 41,
  expansionRatio: 1000,
  paxBytes: 1 << 20,
  strict: false
}

/** For tarballs that passed the limits when they were imported. */
export const UNLIMITED: Limits = {
  entries: Infinity,
  pathDepth: Infinity,
  pathBytes: Infinity,
  metadataBytes: Infinity,
  totalBytes: Infinity,
  expansionRatio: Infinity,
  paxBytes: Infinity,
  strict: false
}
