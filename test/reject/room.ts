import { createHash } from 'node:crypto'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { join, relative } from 'node:path'
import { initStore } from '../../store/files/store.ts'
import { openRepository } from '../../store/repository/open-repository.ts'
import type { Repository } from '../../store/repository/repository.ts'
import { removeTree, scratch } from '../helpers/scratch.ts'
import { QUICK } from '../helpers/stores.ts'

/** `most` leaves out slow cases, `quick` also cases that are the same for every user. */
export type Extent = 'all' | 'most' | 'quick'

/**
 * A place for hostile inputs: a store, a folder for outputs, and around them canaries that must stay untouched.
 * Changes are found by comparing listings.
 */
export class Room {
  readonly extent: Extent
  readonly top = scratch()
  /** Inputs of the case at hand. */
  readonly work = join(this.top, 'work')
  /** Folder for outputs, which does not exist when a case begins. */
  readonly target = join(this.top, 'cwd', 'deep', 'target')
  /** Canaries. */
  readonly outside = join(this.top, 'outside')
  #store: Repository | undefined

  private constructor(extent: Extent) {
    this.extent = extent
  }

  static async open(extent: Extent): Promise<Room> {
    const room = new Room(extent)
    chmodSync(room.top, 0o700)
    mkdirSync(join(room.top, 'cwd', 'deep'), { recursive: true })
    makeCanaries(room.outside)
    makeCanaries(join(room.top, 'cwd', 'canaries'))
    await initStore(join(room.top, 'store'), QUICK)
    room.#store = await openRepository({ store: join(room.top, 'store'), path: '' })
    process.chdir(join(room.top, 'cwd', 'deep'))
    room.clear()
    return room
  }

  get store(): Repository {
    return this.#store!
  }

  file(name: string): string {
    return join(this.work, name)
  }

  write(name: string, content: string | Uint8Array): string {
    const path = this.file(name)
    writeFileSync(path, content)
    return path
  }

  /** Take away what the last case was given and what it built. */
  clear(): void {
    removeTree(this.work)
    removeTree(this.target)
    mkdirSync(this.work)
  }

  /** All that a case that is refused must leave as it was. */
  untouchable(): string[] {
    return listing(
      this.top,
      path => path === this.work || path === join(this.store.root, 'index'),
      path => path === join(this.store.root, 'tmp') || path === join(this.top, 'cwd', 'deep')
    )
  }

  /** All that no case may touch. */
  canaries(): string[] {
    return listing(
      this.top,
      path => path === this.work || path === this.target || path === this.store.root,
      path => path === join(this.top, 'cwd', 'deep')
    )
  }

  leftovers(): string[] {
    return readdirSync(join(this.store.root, 'tmp'))
  }
}

const OLD = 1_000_000_000 // seconds

function makeCanaries(folder: string): void {
  mkdirSync(join(folder, 'dir'), { recursive: true })
  for (const [name, mode] of [
    ['canary', 0o644],
    ['secret', 0o600],
    ['dir/canary', 0o640],
    ['tool', 0o755]
  ] as const) {
    const path = join(folder, name)
    writeFileSync(path, `untouched ${name}`)
    chmodSync(path, mode)
    utimesSync(path, OLD, OLD)
  }
  symlinkSync('canary', join(folder, 'link'))
  utimesSync(join(folder, 'dir'), OLD, OLD)
  utimesSync(folder, OLD, OLD)
}

/**
 * Every path below with type, mode, owner, size, time, links and content.
 * @param isTimeless folders in which things come and go
 */
function listing(
  top: string,
  isLeftOut: (path: string) => boolean,
  isTimeless: (path: string) => boolean = () => false
): string[] {
  const lines: string[] = []
  const visit = (path: string) => {
    if (isLeftOut(path)) return
    const status = lstatSync(path)
    const { mode, uid, gid, nlink, size, mtimeMs } = status
    const isPlain = path !== top && !isTimeless(path)
    const own = isPlain ? [mode, uid, gid, nlink, size, mtimeMs] : [mode, uid, gid]
    const content = status.isFile() ? digest(path) : status.isSymbolicLink() ? readlinkSync(path) : ''
    lines.push([relative(top, path), ...own, content].join(' '))
    if (status.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name))
  }
  visit(top)
  return lines
}

const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')
