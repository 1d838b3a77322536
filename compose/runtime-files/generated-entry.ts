import type { PathBytes } from '../../store/values/index.ts'

/** A generated path of an image. It belongs to root, with the time 1970 (spec/image-metadata.md). */
export interface GeneratedEntry {
  /** Relative to the root. */
  path: PathBytes
  kind: 'directory' | 'file' | 'symlink'
  /** 0..0o7777. */
  mode: number
  /** Content of a file. */
  content?: Uint8Array
  /** Target of a symbolic link. */
  target?: PathBytes
}

export const directory = (path: PathBytes, mode = 0o755): GeneratedEntry => ({
  path,
  kind: 'directory',
  mode
})

/** @param content text is written as UTF-8 */
export const file = (path: PathBytes, content: string | Uint8Array, mode = 0o644): GeneratedEntry => ({
  path,
  kind: 'file',
  mode,
  content: typeof content === 'string' ? Buffer.from(content) : content
})

export const script = (path: PathBytes, content: string): GeneratedEntry => file(path, content, 0o755)

export const symlink = (path: PathBytes, target: PathBytes): GeneratedEntry => ({
  path,
  kind: 'symlink',
  mode: 0o777,
  target
})
