import {
  chmodSync,
  closeSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import * as native from '../../../native/index.ts'
import { bash } from '../../helpers/real-tree.ts'

/** Deterministic random numbers below a limit (mulberry32): a failing seed can be run again. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

export type Random = (below: number) => number

/** Few names, so that layers meet; one has bytes that are not UTF-8. */
const NAMES = ['a', 'b', 'c', 'lib', 'x.txt', 'd\xff']
const OPAQUE = '.wh..wh..opq'

/** A random directory. Whiteouts stand in it as the files that OCI has. */
export const randomLayer = (random: Random, folder: string, isUpper: boolean): void =>
  new LayerMaker(random, folder).fill(isUpper)

/** GNU tar's archive of a directory; every directory in it is an entry, so no time depends on who extracts it. */
export function archive(folder: string, tar: string): void {
  bash(
    `cd "$1"; exec tar --format=pax --xattrs --xattrs-include='*' --acls --numeric-owner --sort=name -cf "$2" .`,
    folder,
    tar
  )
}

class LayerMaker {
  readonly #random: Random
  readonly #folder: string
  readonly #directories = ['']
  readonly #files: string[] = []
  readonly #all: string[] = []
  readonly #taken = new Set<string>()

  constructor(random: Random, folder: string) {
    this.#random = random
    this.#folder = folder
    mkdirSync(folder)
  }

  fill(isUpper: boolean): void {
    for (let i = 4 + this.#random(14); i > 0; i--) this.#makeEntry(this.#newPath(pick(this.#random, NAMES)))
    for (let i = isUpper ? this.#random(4) : 0; i > 0; i--) this.#makeWhiteout()
    // Times last, deepest first: making an entry changes its directory's.
    for (const path of [...this.#all.reverse(), '']) this.#setTime(path)
  }

  #newPath(name: string): string | undefined {
    const parent = pick(this.#random, this.#directories)
    const path = parent === '' ? name : `${parent}/${name}`
    if (this.#taken.has(path) || path.split('/').length > 4) return undefined
    this.#taken.add(path)
    return path
  }

  #makeEntry(path: string | undefined): void {
    if (path === undefined) return
    const random = this.#random
    const full = this.#full(path)
    const kind = random(12)
    if (kind < 4) {
      mkdirSync(full)
      this.#directories.push(path)
    } else if (kind < 8) {
      writeFileSync(full, content(random))
      this.#files.push(path)
    } else if (kind === 8) symlinkSync(pick(random, ['a', '../b', 'lib', 'nowhere', '.', 'x.txt']), full)
    else if (kind < 11 && this.#files.length > 0) {
      linkSync(this.#full(pick(random, this.#files)), full)
      return
    } else
      this.#at(path, (fd, name) =>
        native.mknodAt(fd, name, pick(random, [0o010600, 0o020600, 0o060600]), 300, 70000)
      )
    this.#all.push(path)
    lchownSync(full, random(3) * 1000, pick(random, [0, 5, 70000]))
    // No set-gid directories: what GNU tar makes in them keeps the bit.
    if (kind < 4) chmodSync(full, pick(random, [0o755, 0o700, 0o1777]))
    else if (kind !== 8) chmodSync(full, pick(random, [0o755, 0o600, 0o4755, 0o2770]))
    if (kind < 8) this.#mark(path)
  }

  #mark(path: string): void {
    const random = this.#random
    const set = (name: string, value: Buffer) =>
      this.#at(path, (fd, last) => native.setXattr(fd, last, name, value))
    if (random(4) === 0) set('user.note', Buffer.alloc(1 + random(60), 'v'))
    if (random(5) === 0) set('trusted.t', Buffer.from([0, 255, 10, random(3)]))
    if (random(6) === 0) set('security.x', Buffer.from('label'))
    if (random(4) === 0) set('system.posix_acl_access', acl(7, random(8), 1234, random(8), 5))
    // No default ACLs: GNU tar lets what it extracts inherit them.
  }

  #makeWhiteout(): void {
    const random = this.#random
    const name = random(4) === 0 ? OPAQUE : `.wh.${pick(random, NAMES)}`
    const path = this.#newPath(name)
    // A name that a layer both hides and brings is a matter of the compiler, tested there.
    if (path === undefined || this.#taken.has(path.replace('.wh.', ''))) return
    writeFileSync(this.#full(path), '')
    this.#all.push(path)
  }

  #setTime(path: string): void {
    const seconds = pick(this.#random, [1, 1e9, 1.7e9, 2 ** 32 - 1])
    this.#at(path, (fd, name) => native.utimensAt(fd, name, seconds, 500))
  }

  #full(path: string): Buffer {
    return Buffer.from(path === '' ? this.#folder : `${this.#folder}/${path}`, 'latin1')
  }

  #at(path: string, act: (fd: number, name: string) => void): void {
    const cut = path.lastIndexOf('/')
    const fd = openSync(this.#full(cut < 0 ? '' : path.slice(0, cut)), 'r')
    try {
      act(fd, path.slice(cut + 1))
    } finally {
      closeSync(fd)
    }
  }
}

const pick = <T>(random: Random, from: T[]): T => from[random(from.length)]

/** Often equal, sometimes empty, sometimes more than a block of 4 KiB, sometimes with holes. */
function content(random: Random): Buffer {
  const size = pick(random, [0, 5, 700, 4096, 9000])
  const bytes = Buffer.alloc(size, `${random(4)}-`)
  if (size > 4096 && random(3) === 0) bytes.fill(0, 0, 4096)
  return bytes
}

/** An access ACL with one named user, as the kernel's attribute has it. */
function acl(owner: number, named: number, uid: number, group: number, other: number): Buffer {
  const rows = [
    [1, owner, 0xffffffff],
    [2, named, uid],
    [4, group, 0xffffffff],
    [0x10, named | group, 0xffffffff],
    [0x20, other, 0xffffffff]
  ]
  const bytes = Buffer.alloc(4 + 8 * rows.length)
  bytes.writeUInt32LE(2, 0)
  rows.forEach(([tag, rights, id], i) => {
    bytes.writeUInt16LE(tag, 4 + 8 * i)
    bytes.writeUInt16LE(rights, 6 + 8 * i)
    bytes.writeUInt32LE(id, 8 + 8 * i)
  })
  return bytes
}
