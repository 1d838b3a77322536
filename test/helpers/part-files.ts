import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { partPath } from '../../store/files/store-layout.ts'
import { decodePartList } from '../../store/object/part-list.ts'

/** Paths of the parts of a data file, in their order. @param list path of its part list */
export const partFiles = (root: string, list: string): string[] =>
  decodePartList(Buffer.from(readFileSync(list))).parts.map(({ sha256 }) => join(root, partPath(sha256)))
