/** A small image of our own, whose metadata is not packed, and where in it everything stands. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ImageReader } from '../../compose/squashfs/reader.ts'
import { buildImage, compile } from '../compose/helpers/compile.ts'
import { scratch } from '../helpers/scratch.ts'
import { file } from '../helpers/tar-make.ts'
import { described, directory, symlink, tar } from './make.ts'

/** Metadata block header. */
const HEADER_BYTES = 2

export class ImageBytes {
  readonly bytes: Buffer
  readonly reader: ImageReader

  constructor(bytes: Buffer) {
    this.bytes = Buffer.from(bytes)
    this.reader = new ImageReader(bytes, 'model')
  }

  get superblock() {
    return this.reader.superblock
  }

  /** First byte of an inode. */
  inode(path: string): number {
    const { rootReference, inodeTable } = this.superblock
    if (path === '')
      return inodeTable + Number(rootReference >> 16n) + HEADER_BYTES + Number(rootReference & 0xffffn)
    const { blockStart, offset } = this.#entries(parentOf(path)).find(({ name }) => name === nameOf(path))!
    return inodeTable + blockStart + HEADER_BYTES + offset
  }

  /** First byte of a directory's listing: its first header. */
  listing(path: string): number {
    const { directory: place } = this.reader.find(path)!
    return this.superblock.directoryTable + place!.blockStart + HEADER_BYTES + place!.offset
  }

  /** First byte of an entry of a listing with a single header. */
  entry(path: string): number {
    let at = this.listing(parentOf(path)) + 12
    for (const { name } of this.#entries(parentOf(path))) {
      if (name === nameOf(path)) return at
      at += 8 + name.length
    }
    throw new Error(`no entry ${path}`)
  }

  #entries(path: string) {
    return [...this.reader.entries(this.reader.find(path)!)]
  }
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** Incompressible, so that blocks lie in the file as they are. */
const noise = (bytes: number): string => {
  let state = 12345
  return String.fromCharCode(
    ...Array.from({ length: bytes }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return (state >>> 16) & 0xff
    })
  )
}

let made: Promise<Buffer> | undefined

/** Directories, files with and without blocks, a link, a device, attributes, an ACL, hard links. */
export function modelImage(): Promise<Buffer> {
  made ??= makeImage()
  return made
}

async function makeImage(): Promise<Buffer> {
  const path = join(scratch(), 'model.sqfs')
  const content = Array.from({ length: 4 }, () => noise(50_000)).join('')
  const layer = await compile(
    tar(
      directory('./'),
      directory('d/'),
      file('d/one', 'first'),
      file('d/two', 'second'),
      directory('d/e/'),
      file('d/e/deep', 'x'),
      file('large', content),
      symlink('link', 'd/one'),
      described({ 'SCHILY.xattr.user.a': 'value', 'SCHILY.xattr.user.b': 'other' }, 'marked', 'm')
    )
  )
  await buildImage([layer], path)
  return readFileSync(path)
}
