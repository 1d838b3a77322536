import type { ImageReader } from '../squashfs/index.ts'

/** Reads every inode, name, attribute and byte of an image. @throws StrataError IMAGE_INVALID */
export function readEverything(reader: ImageReader): { names: number; fileBytes: number } {
  let names = 0
  let fileBytes = 0
  for (const { inode } of reader.walk()) {
    names++
    reader.attributes(inode)
    if (inode.file !== undefined) for (const piece of reader.content(inode)) fileBytes += piece.length
  }
  return { names, fileBytes }
}
