/**
 * An image as a directory, for runtimes that cannot start image files: mounted if FUSE can be used, otherwise
 * unpacked.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { faultAbove, type OpenFile, removeTree, siblingPath } from '../../store/disk/index.ts'
import { whenStopped } from '../../store/values/index.ts'
import { isKept, type KeptUse, keptPath, noteSize, noteUse } from '../cache/index.ts'
import { openFile } from '../inspect/index.ts'
import { canUseFuse, findProgram } from './find-runtime.ts'
import { changedError, identityOf, keyOf } from './held-image.ts'
import type { RunRoot, Runtime } from './runtime.ts'

export interface DirectoryRoot {
  path: string
  /** The way in which the directory was made, for a note. */
  how: string
  /** Its entry in the user's cache. */
  kept?: KeptUse
  /** Removes what was made only for this run. */
  release(): Promise<void>
}

// Made when it is used, since most runs start no other program and Node loads slowly what it takes.
const run = (program: string, args: string[]) => promisify(execFile)(program, args)

/** @throws StrataError IMAGE_INVALID for an image that cannot be mounted and has no /.compose */
export async function directoryOf(
  image: Pick<RunRoot, 'path' | 'held'>,
  { seesMounts }: Pick<Runtime, 'seesMounts'>,
  host: NodeJS.ProcessEnv
): Promise<DirectoryRoot> {
  return (seesMounts ? await mountImage(image, host) : undefined) ?? (await unpackImage(image, host))
}

async function mountImage(
  { path: file, held }: Pick<RunRoot, 'path' | 'held'>,
  host: NodeJS.ProcessEnv
): Promise<DirectoryRoot | undefined> {
  const mount = findProgram('squashfuse', host)
  const unmount = findProgram('fusermount3', host) ?? findProgram('fusermount', host)
  if (mount === undefined || unmount === undefined || !canUseFuse()) return undefined
  const path = mountPoint(host)
  if (path === undefined) return undefined
  const forget = whenStopped(() => takeAway(unmount, path))
  try {
    // Through our descriptor, since the name may lead to another file by now.
    const image = held === undefined ? file : `/proc/${process.pid}/fd/${held.file.fd}`
    await run(mount, [`-ooffset=${held?.startInFile ?? 0}`, image, path])
  } catch {
    // A host may have /dev/fuse and still forbid its use.
    forget()
    rmdirSync(path)
    return undefined
  }
  const release = async () => {
    // Lazily, because a background program may still have files open.
    await run(unmount, ['-u', '-z', path])
    rmdirSync(path)
    forget()
  }
  return { path, how: 'mounted by squashfuse', release }
}

/** Removes the folder, whether the image is mounted in it or not. */
function takeAway(unmount: string, path: string): void {
  spawnSync(unmount, ['-u', '-z', path], { stdio: 'ignore' })
  rmdirSync(path)
}

/** In a batch job the user's runtime folder is often named but missing. Any writable folder will do. */
function mountPoint({ XDG_RUNTIME_DIR }: NodeJS.ProcessEnv): string | undefined {
  for (const folder of [XDG_RUNTIME_DIR, tmpdir()]) {
    if (!folder?.startsWith('/')) continue
    try {
      if (faultAbove(folder) !== undefined) continue // others could put a tree of theirs in its place
      return mkdtempSync(join(folder, 'strata-run-'))
    } catch {}
  }
  return undefined
}

/** Unpacks the image once, into the user's cache. */
async function unpackImage(
  { path: image, held }: Pick<RunRoot, 'path' | 'held'>,
  host: NodeJS.ProcessEnv
): Promise<DirectoryRoot> {
  if (held !== undefined) return unpackFile(held.file, image, host)
  // Opened once: the name may lead to another file at any time, and the key must belong to the unpacked file.
  const file = openFile(image)
  try {
    return await unpackFile(file, image, host)
  } finally {
    await file.close()
  }
}

async function unpackFile(file: OpenFile, image: string, host: NodeJS.ProcessEnv): Promise<DirectoryRoot> {
  const identity = identityOf(file)
  const key = keyOf(identity)
  const path = keptPath('sandboxes', key, host)
  noteUse(key, host)
  const found = { path, how: `unpacked to ${path}`, release: async () => {} }
  if (isKept('sandboxes', path)) return { ...found, kept: { key, isNew: false } }
  const temporary = siblingPath(path)
  await mkdir(temporary, { mode: 0o700 })
  try {
    const { extractImage } = await import('../outputs/extract-image.ts') // it loads much, and most images are mounted
    // Root also uses recordOnly, so that no image can create a device or set-id file on this host.
    await extractImage(image, temporary, { recordOnly: true, file })
    if (identityOf(file) !== identity) throw changedError(image)
    await rename(temporary, path).catch(error => {
      // Another process was faster, with the same result.
      if (!['EEXIST', 'ENOTEMPTY'].includes(error.code)) throw error
    })
  } finally {
    removeTree(temporary)
  }
  isKept('sandboxes', path) // a directory that another process made is checked as well
  noteSize('sandboxes', key, host)
  return { ...found, kept: { key, isNew: true } }
}
