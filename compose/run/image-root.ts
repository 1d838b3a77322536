/** An image as a directory, for runtimes that start no image files: mounted where FUSE can be used, else unpacked. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rename, rm, rmdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { siblingPath } from '../../store/sibling-path.ts'
import { exists } from '../../store/temporary-file.ts'
import { extractImage } from '../build/extract-image.ts'
import { cacheFolder } from './cache-folder.ts'
import { canUseFuse, findProgram } from './find-runtime.ts'
import type { Runtime } from './runtime.ts'

export interface DirectoryRoot {
  path: string
  /** How it came to be, for a note. */
  how: string
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
  const path = await mkdtemp(join(host.XDG_RUNTIME_DIR ?? tmpdir(), 'strata-run-'))
  try {
    await run(mount, [image, path])
  } catch {
    // A host may have /dev/fuse and forbid its use.
    await rmdir(path)
    return undefined
  }
  const release = async () => {
    // Lazily: a program that was left behind in the background may still have files open.
    await run(unmount, ['-u', '-z', path])
    await rmdir(path)
  }
  return { path, how: 'mounted by squashfuse', release }
}

/** Unpacked once, and kept in the user's cache. */
async function unpacked(image: string, host: NodeJS.ProcessEnv): Promise<DirectoryRoot> {
  const folder = await cacheFolder('sandboxes', host)
  const path = join(folder, await identityOf(image))
  const how = `unpacked to ${path}`
  const release = async () => {}
  if (await exists(path)) return { path, how, release }
  const temporary = siblingPath(path)
  await mkdir(temporary, { mode: 0o700 })
  try {
    await extractImage(image, temporary, { recordOnly: process.geteuid!() !== 0 })
    await rename(temporary, path).catch(error => {
      // Somebody else was first, with the same.
      if (!['EEXIST', 'ENOTEMPTY'].includes(error.code)) throw error
    })
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return { path, how, release }
}

/**
 * Of the file, as nobody can make another that has the same: what an image says of itself, anybody can write into
 * another one, which would then be run in its place.
 */
async function identityOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
  return createHash('sha256').update([dev, ino, size, mtimeNs, ctimeNs].join(' ')).digest('hex')
}
