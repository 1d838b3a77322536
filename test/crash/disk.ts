/**
 * A file system that loses power: it is told every change and every flush of a command, and says what a disk may
 * hold afterwards. What was not flushed is there, or not, or in part, each change by itself; POSIX promises no more:
 *
 * - bytes and mode of a file are safe when the file was flushed after they were set,
 * - a name is safe when its folder was flushed after it was made; a rename, whose two changes are one, when either
 *   folder was.
 */
import { chmodSync, linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Change } from './changes.ts'

type InodeNumber = string

interface Inode {
  isFolder: boolean
  data: Buffer
  mode: number
  /** State at the last flush. */
  safe: { data: Buffer; mode: number }
}

interface NameChange {
  folder: InodeNumber
  name: string
  /** Undefined: the name goes away. */
  inode?: InodeNumber
  /** A rename takes another name away with it. */
  from?: { folder: InodeNumber; name: string }
}

type Names = Map<InodeNumber, Map<string, InodeNumber>>

/** Fate of the data that was not flushed. */
export interface Loss {
  name: string
  keepsName(): boolean
  /** Bytes of a file that was written after its last flush. */
  dataOf(written: Buffer, safe: Buffer): Buffer
  keepsMode(): boolean
}

export const keepsAll: Loss = {
  name: 'all is kept',
  keepsName: () => true,
  dataOf: written => written,
  keepsMode: () => true
}
export const dropsAll: Loss = {
  name: 'all is dropped',
  keepsName: () => false,
  dataOf: (_, safe) => safe,
  keepsMode: () => false
}
export const dropsData: Loss = { ...keepsAll, name: 'data are dropped', dataOf: (_, safe) => safe }
export const zeroesData: Loss = {
  ...keepsAll,
  name: 'data are zeros',
  dataOf: written => Buffer.alloc(written.length)
}
export const dropsNames: Loss = { ...keepsAll, name: 'names are dropped', keepsName: () => false }

/** @param random below a limit */
export const losesSome = (random: (limit: number) => number, name: string): Loss => ({
  name,
  keepsName: () => random(2) === 0,
  keepsMode: () => random(2) === 0,
  dataOf: (written, safe) => (random(3) === 0 ? safe : written.subarray(0, random(written.length + 1)))
})

/** Mode of a file whose creation was not seen. */
const NEW_FILE_MODE = 0o600

export class Disk {
  readonly #root: string
  readonly #rootInode: InodeNumber
  readonly #inodes = new Map<InodeNumber, Inode>()
  /** Names as programs see them, and names as flushed. */
  readonly #names: Names = new Map()
  readonly #safeNames: Names = new Map()
  #pending: NameChange[] = []

  /** @param root a folder whose every byte is safe */
  constructor(root: string) {
    this.#root = root
    this.#rootInode = this.#scan(root)
  }

  #scan(path: string): InodeNumber {
    const { ino, mode } = lstatSync(path)
    const isFolder = (mode & 0o170000) === 0o040000
    const data = isFolder ? Buffer.alloc(0) : readFileSync(path)
    const inode = String(ino)
    this.#make(inode, isFolder, mode & 0o7777)
    Object.assign(this.#inodes.get(inode)!, { data, safe: { data, mode: mode & 0o7777 } })
    if (isFolder)
      for (const name of readdirSync(path)) {
        const child = this.#scan(join(path, name))
        this.#names.get(inode)!.set(name, child)
        this.#safeNames.get(inode)!.set(name, child)
      }
    return inode
  }

  #make(inode: InodeNumber, isFolder: boolean, mode: number): void {
    const data = Buffer.alloc(0)
    this.#inodes.set(inode, { isFolder, data, mode, safe: { data, mode } })
    if (isFolder) for (const names of [this.#names, this.#safeNames]) names.set(inode, new Map())
  }

  apply(change: Change): void {
    const { call, result, inode, offset, path, other, data } = change
    if (result < 0) return
    if (call === 'open') this.#opened(inode, path, other, offset)
    else if (call === 'mkdir') {
      this.#make(inode, true, offset & ~process.umask())
      this.#rename({ ...this.#place(path), inode })
    } else if (call === 'link') this.#rename({ ...this.#place(other), inode: this.#known(inode) })
    else if (call === 'rename')
      this.#rename({ ...this.#place(other), inode: this.#known(inode), from: this.#place(path) })
    else if (call === 'unlink' || call === 'rmdir') this.#rename(this.#place(path))
    else if (call === 'fsync') this.#flush(inode)
    else if (call === 'chmod') this.#inodes.get(this.#known(inode))!.mode = offset
    else if (call === 'ftruncate') this.#resize(inode, offset)
    else if (call === 'write' || call === 'copy' || call === 'clone') this.#write(inode, offset, data)
    else if (call !== 'utimens' && call !== 'removexattr' && call !== 'setxattr' && call !== 'fallocate')
      throw new Error(`what does ${call} change?`)
  }

  /** The C library opens files of LevelDB by itself: one that nobody was told of is an empty one. */
  #known(inode: InodeNumber): InodeNumber {
    if (!this.#inodes.has(inode)) this.#make(inode, false, NEW_FILE_MODE)
    return inode
  }

  #opened(inode: InodeNumber, path: string, how: string, mode: number): void {
    if (how === 'new') {
      this.#make(inode, false, mode)
      this.#rename({ ...this.#place(path), inode })
    } else if (how === 'emptied') this.#resize(inode, 0)
  }

  #place(path: string): { folder: InodeNumber; name: string } {
    let folder = this.#rootInode
    for (const part of dirname(path).slice(this.#root.length).split('/'))
      if (part !== '') folder = this.#names.get(folder)?.get(part) ?? unknown(path)
    return { folder, name: basename(path) }
  }

  #rename(change: NameChange): void {
    applyTo(this.#names, change)
    this.#pending.push(change)
  }

  #resize(inode: InodeNumber, size: number): void {
    const file = this.#inodes.get(this.#known(inode))!
    const data = Buffer.alloc(size)
    file.data.copy(data)
    file.data = data
  }

  #write(inode: InodeNumber, at: number, bytes: Buffer): void {
    const file = this.#inodes.get(this.#known(inode))!
    const data = Buffer.alloc(Math.max(file.data.length, at + bytes.length))
    file.data.copy(data)
    bytes.copy(data, at)
    file.data = data // what was flushed keeps its own
  }

  #flush(inode: InodeNumber): void {
    const file = this.#inodes.get(this.#known(inode))!
    file.safe = { data: file.data, mode: file.mode }
    if (!file.isFolder) return
    for (const change of this.#pending.filter(({ folder, from }) => [folder, from?.folder].includes(inode)))
      this.#settle(change)
  }

  #settle(change: NameChange): void {
    applyTo(this.#safeNames, change)
    const { from } = change
    const at = this.#pending.indexOf(change)
    // The change that made the old name is out of date, so it cannot come back beside the new one.
    const isOvertaken = (other: NameChange, i: number) =>
      i < at && other.folder === from?.folder && other.name === from.name
    this.#pending = this.#pending.filter((other, i) => i !== at && !isOvertaken(other, i))
  }

  /** Write into an empty folder what this loss leaves of the disk. */
  recover(loss: Loss, into: string): void {
    const names: Names = new Map([...this.#safeNames].map(([folder, entries]) => [folder, new Map(entries)]))
    for (const change of this.#pending) if (loss.keepsName()) applyTo(names, change)
    this.#recover(this.#rootInode, names, loss, into, new Map())
  }

  #recover(
    folder: InodeNumber,
    names: Names,
    loss: Loss,
    into: string,
    written: Map<InodeNumber, string>
  ): void {
    for (const [name, inode] of names.get(folder)!) {
      const path = join(into, name)
      const known = written.get(inode)
      const { isFolder, data, mode, safe } = this.#inodes.get(inode)!
      if (isFolder) {
        mkdirSync(path)
        this.#recover(inode, names, loss, path, written)
      } else if (known !== undefined) linkSync(known, path)
      else {
        writeFileSync(path, data === safe.data ? data : loss.dataOf(data, safe.data))
        chmodSync(path, loss.keepsMode() ? mode : safe.mode)
        written.set(inode, path)
      }
    }
  }
}

function applyTo(names: Names, { folder, name, inode, from }: NameChange): void {
  if (from !== undefined) names.get(from.folder)?.delete(from.name)
  if (inode === undefined) names.get(folder)?.delete(name)
  else names.get(folder)?.set(name, inode)
}

function unknown(path: string): never {
  throw new Error(`${path} lies in a folder that nobody made`)
}
