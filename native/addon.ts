import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { NativeConstants } from './constants.ts'

/** A name or path: bytes, or a latin1 string with one character a byte (others throw RangeError). */
export type Bytes = string | Uint8Array

/** The functions of strata.node as C has them; index.ts is what the rest of the project uses. */
export interface Addon {
  constants: NativeConstants
  openBeneath(dirfd: number, path: Bytes, flags: number, mode: number): number
  reopen(fd: number, flags: number): number
  mkdirAt(dirfd: number, name: Bytes, mode: number): void
  mknodAt(dirfd: number, name: Bytes, mode: number, major: number, minor: number): void
  symlinkAt(target: Bytes, dirfd: number, name: Bytes): void
  linkAt(oldDirfd: number, oldName: Bytes, newDirfd: number, newName: Bytes): void
  unlinkAt(dirfd: number, name: Bytes, flags: number): void
  renameAt2(oldDirfd: number, oldName: Bytes, newDirfd: number, newName: Bytes, flags: number): void
  readlinkAt(dirfd: number, name: Bytes): string
  fstatAt(dirfd: number, name: Bytes, into: Float64Array): void
  utimensAt(dirfd: number, name: Bytes, seconds: number, nanoseconds: number): void
  chownAt(dirfd: number, name: Bytes, uid: number, gid: number): void
  chmodAt(dirfd: number, name: Bytes, mode: number): void
  readDirAt(dirfd: number): [joinedNames: string, types: Buffer]
  getXattr(dirfd: number, name: Bytes, attribute: Bytes): Buffer
  listXattr(dirfd: number, name: Bytes): string
  setXattr(dirfd: number, name: Bytes, attribute: Bytes, value: Uint8Array, flags: number): void
  removeXattr(dirfd: number, name: Bytes, attribute: Bytes): void
  copyRanges(rows: Float64Array, shared: Float64Array): Promise<number>
  cloneRange(inFd: number, inOffset: number, outFd: number, outOffset: number, lengthBytes: number): void
  seekData(fd: number, offset: number): number | null
  seekHole(fd: number, offset: number): number | null
  closeOnExec(): void
  lockFile(fd: number): boolean | null
  makePipe(): [number, number]
  becomeProgram(file: Bytes, words: Buffer, variables: Buffer, descriptors: number[]): void
  memoryFile(): number
  forgetSignals(): void
}

// Both from the compiled file, dist/native/addon.js, and from the bundle, dist/bundle/*.
const ADDON = `../addons/${process.platform}-${process.arch}/strata.node`

/** The program that starts others in an image (native/launch). */
export const launcherFile = (): string =>
  fileURLToPath(new URL(`../addons/${process.platform}-${process.arch}/strata-launch`, import.meta.url))

/** Reads liblzma, compiled to WebAssembly: one file for all machines (scripts/addons.mjs). */
export const readLiblzma = (): Buffer => readFileSync(new URL('../addons/liblzma.wasm', import.meta.url))

/** @throws Error ADDON_MISSING where the addon was not built, or was built for another system */
function loadAddon(): Addon {
  try {
    return createRequire(import.meta.url)(ADDON)
  } catch (cause) {
    const [why] = String((cause as Error).message).split('\n')
    const missing = new Error(`the addon of native/ cannot be loaded: ${why}`, { cause })
    throw Object.assign(missing, { code: 'ADDON_MISSING', syscall: 'dlopen' })
  }
}

export const addon = loadAddon()
