/** What `compose run` can start: an image, a directory, or a target whose image is built first and kept. */
import { createHash } from 'node:crypto'
import { open, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { StrataError } from '../../store/errors.ts'
import { decodeRecord, type ModuleRecord } from '../../store/module/record.ts'
import type { Store } from '../../store/store.ts'
import { exists } from '../../store/temporary-file.ts'
import { buildImage, type ImageOptions, prepareImage } from '../build/build-image.ts'
import type { Target } from '../build/target.ts'
import { describeImage, openImage } from '../inspect/open-image.ts'
import { formatLock, parseLock } from '../stack/lock.ts'
import { cacheFolder } from './cache-folder.ts'
import type { RunRoot } from './runtime.ts'

export interface Runnable {
  root: RunRoot
  /** Of its modules, bottom to top; none where it does not say. */
  records: ModuleRecord[]
}

/** SquashFS, little endian. */
const IMAGE_MAGIC = 'hsqs'

/** An image file or a directory; undefined for a word that names neither. @throws StrataError IO for an image that is not there */
export async function existingRoot(word: string): Promise<RunRoot | undefined> {
  const status = await stat(word).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  if (status === undefined && /\.(sqfs|squashfs|sif)$/.test(word))
    throw new StrataError('IO', {
      message: `${word}: no such file`,
      hint: `compose build ${word} [TARGET...]`
    })
  const path = resolve(word)
  if (status?.isDirectory()) return { kind: 'directory', path }
  return status?.isFile() && (await startsAsImage(path)) ? { kind: 'image', path } : undefined
}

async function startsAsImage(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(IMAGE_MAGIC.length), 0, IMAGE_MAGIC.length, 0)
    return buffer.toString('latin1', 0, bytesRead) === IMAGE_MAGIC
  } finally {
    await file.close()
  }
}

/** With what its modules say of the environment. @throws StrataError IMAGE_INVALID, LOCK_INVALID */
export async function runnableOf(root: RunRoot): Promise<Runnable> {
  return {
    root,
    records: root.kind === 'image' ? await recordsOfImage(root.path) : await recordsBelow(root.path)
  }
}

async function recordsOfImage(path: string): Promise<ModuleRecord[]> {
  const image = await openImage(path)
  try {
    return describeImage(image)?.modules.map(({ record }) => record) ?? []
  } finally {
    await image.close()
  }
}

/** Of a sandbox, or an image that was unpacked by others. */
async function recordsBelow(directory: string): Promise<ModuleRecord[]> {
  const lockFile = join(directory, '.compose/lock')
  const text = await readFile(lockFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  if (text === undefined) return []
  const names = parseLock(text, lockFile).modules.flatMap(({ name }) => name ?? [])
  const records: ModuleRecord[] = []
  for (const name of names) {
    const file = join(directory, `.compose/modules/${name}.json`)
    records.push(decodeRecord(await readFile(file), file))
  }
  return records
}

/**
 * The image of a target, for nobody but the user who runs it, from the user's cache or put there.
 * @param onBuild called when it has to be built, then with the bytes that are in their place
 * @throws StrataError
 */
export async function cachedImage(
  store: Store,
  target: Target,
  options: ImageOptions,
  onBuild: (bytes: number) => void
): Promise<RunRoot> {
  if (target.edits !== undefined)
    throw new StrataError('USAGE', { message: `${target.name} is a sandbox: it is run as it is` })
  const mine = { audience: 'me', ...options }
  const { composition, lock } = await prepareImage(store, target, mine)
  await composition.close()
  const name = createHash('sha256').update(formatLock(lock)).digest('hex')
  const path = join(await cacheFolder('images'), `${name}.sqfs`)
  if (!(await exists(path)))
    await buildImage(store, target, { ...mine, out: path, sync: true, verify: false, onProgress: onBuild })
  return { kind: 'image', path }
}
