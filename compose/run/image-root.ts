/** An image as a directory, for runtimes that start no image files: mounted where FUSE can be used, else unpacked. */
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { constants, mkdtempSync, rmdirSync } from 'node:fs'
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { removeTree, siblingPath, whenStopped } from '../../store/disk/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { isKept, type KeptUse, keptPath, noteSize, noteUse } from '../cache/index.ts'
import { extractImage } from '../outputs/index.ts'
import { canUseFuse, findProgram } from './find-runtime.ts'
import type { Runtime } from './runtime.ts'

export interface DirectoryRoot {
  path: string
  /** How it came to be, for a note. */
  how: string
  /** Where it lies in the user's cache. */
  kept?: KeptUse
  /** Take away what was made for this run alone. */
  release(): Promise<void>
}

const run = promisify(execFile)

/** @throws StrataError IMAGE_INVALID for an image that does not say what it was made from and cannot be mounted */
export async function directoryOf(
  image: string,
  { seesMounts }: Pick<Runtime, 'seesMounts'>,
  host: NodeJS.ProcessEnv
): Promise<DirectoryRoot> {
  return (seesMounts ? await mounted(image, host) : undefined) ?? (await unpacked(image, host))
}

async function mounted(image: string, host: NodeJS.ProcessEnv): Promise<DirectoryRoot | undefined> {
  const mount = await findProgram('squashfuse', host)
  const unmount = (await findProgram('fusermount3', host)) ?? (await findProgram('fusermount', host))
  if (mount === undefined || unmount === undefined || !(await canUseFuse())) return undefined
  const path = mountPoint(host)
  if (path === undefined) return undefined
  const forget = whenStopped(() => takeAway(unmount, path))
  try {
    await run(mount, [image, path])
  } catch {
    // A host may have /dev/fuse and forbid its use.
    forget()
    rmdirSync(path)
    return undefined
  }
  const release = async () => {
    // Lazily: a program that was left behind in the background may still have files open.
    await run(unmount, ['-u', '-z', path])
    rmdirSync(path)
    forget()
  }
  return { path, how: 'mounted by squashfuse', release }
}

/** Mounted or not yet. */
function takeAway(unmount: string, path: string): void {
  spawnSync(unmount, ['-u', '-z', path], { stdio: 'ignore' })
  rmdirSync(path)
}

/** In a batch job the user's runtime folder is often named and not there: any folder will do that we may write to. */
function mountPoint({ XDG_RUNTIME_DIR }: NodeJS.ProcessEnv): string | undefined {
  for (const folder of [XDG_RUNTIME_DIR, tmpdir()]) {
    if (!folder?.startsWith('/')) continue
    try {
      return mkdtempSync(join(folder, 'strata-run-'))
    } catch {}
  }
  return undefined
}

/** Unpacked once, and kept in the user's cache. */
async function unpacked(image: string, host: NodeJS.ProcessEnv): Promise<DirectoryRoot> {
  // Once: the name may lead elsewhere at any time, and what is unpacked has to be what its key stands for.
  const file = await open(image, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    return await unpackedFrom(file, image, host)
  } finally {
    await file.close()
  }
}

async function unpackedFrom(
  file: FileHandle,
  image: string,
  host: NodeJS.ProcessEnv
): Promise<DirectoryRoot> {
  const identity = await identityOf(file)
  const path = keptPath('sandboxes', identity, host)
  noteUse(identity, host)
  const found = { path, how: `unpacked to ${path}`, release: async () => {} }
  if (isKept('sandboxes', path)) return { ...found, kept: { key: identity, isNew: false } }
  const temporary = siblingPath(path)
  await mkdir(temporary, { mode: 0o700 })
  try {
    // Also for root: nothing that an image says becomes a device, or a set-id file, of this host.
    await extractImage(image, temporary, { recordOnly: true, file })
    if ((await identityOf(file)) !== identity) throw changed(image)
    await rename(temporary, path).catch(error => {
      // Somebody else was first, with the same.
      if (!['EEXIST', 'ENOTEMPTY'].includes(error.code)) throw error
    })
  } finally {
    removeTree(temporary)
  }
  isKept('sandboxes', path) // what somebody else made is looked at as well
  noteSize('sandboxes', identity, host)
  return { ...found, kept: { key: identity, isNew: true } }
}

/**
 * Of the file, as nobody can make another that has the same: what an image says of itself, anybody can write into
 * another one, which would then be run in its place.
 */
async function identityOf(file: FileHandle): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true })
  return createHash('sha256').update([dev, ino, size, mtimeNs, ctimeNs].join(' ')).digest('hex')
}

const changed = (image: string): StrataError =>
  new StrataError('SOURCE_CHANGED', {
    message: `${image} changed while it was unpacked: nothing of it is kept`,
    facts: { image },
    hint: 'the same command again, when nobody writes to the image'
  })
