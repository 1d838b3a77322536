/** Things that `compose run` can start: an image or a directory (cached-image.ts for all else). */

import { type Stats, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { CID } from 'multiformats/cid'
import { decodeRecord, formatModuleName, type ModuleRecord } from '../../store/module/index.ts'
import { assertTrusted } from '../../store/policy/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { manifestCid, StrataError } from '../../store/values/index.ts'
import { describeImage, isImage, openFile, openImage } from '../inspect/index.ts'
import { assertImageTrusted } from '../outputs/index.ts'
import { COMPOSE_FOLDER } from '../sandbox/index.ts'
import { KEPT_LOCK, keptRecord, readKept } from '../sources/index.ts'
import { parseLock } from '../stack/index.ts'
import { changedError, identityOf } from './held-image.ts'
import type { RunRoot } from './runtime.ts'

export interface Runnable {
  root: RunRoot
  /** Records of its modules, bottom to top; empty if it has no records. */
  records: ModuleRecord[]
}

/**
 * An image file or a directory; undefined for a word that names neither.
 * @throws StrataError IO for an image that does not exist
 */
export function existingRoot(word: string): RunRoot | undefined {
  const status = statusOf(word)
  if (status === undefined && /\.(sqfs|squashfs|sif)$/.test(word))
    throw new StrataError('IO', {
      message: `${word}: no such file`,
      hint: `compose build ${word} [TARGET...]`
    })
  const path = resolve(word)
  if (status?.isDirectory()) return { kind: 'directory', path }
  if (!status?.isFile()) return undefined
  return isImage(path) ? { kind: 'image', path } : undefined
}

function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!)) return undefined
    throw error
  }
}

/** Adds the environment of its modules. @throws StrataError IMAGE_INVALID, LOCK_INVALID, SANDBOX_INVALID, IO */
export async function runnableOf(root: RunRoot): Promise<Runnable> {
  if (root.kind === 'image') return { root, records: await recordsOfImage(root.path) }
  return { root, records: recordsBelow(root.path).map(({ record }) => record) }
}

/**
 * Like `runnableOf`, for something that the user named and anybody may have made: the policies are asked.
 * @param store whose signatures count, if there is one
 * @throws StrataError as runnableOf and assertTrusted
 */
export async function trustedRunnable(root: RunRoot, store: Repository | undefined): Promise<Runnable> {
  if (root.kind === 'image') return trustedImage(root, store)
  const kept = recordsBelow(root.path)
  const parts = kept.map(({ record, id, bytes }) => ({
    name: formatModuleName(record),
    record: id,
    bytes,
    layers: []
  }))
  // Whoever owns a directory may have changed any file in it.
  const files = { name: `the files of ${root.path}`, layers: kept.flatMap(({ record }) => record.layers) }
  await assertTrusted(store, ['run'], [...parts, files])
  return { root, records: kept.map(({ record }) => record) }
}

/** The file that is judged stays open: that file is started, wherever its name leads by then. */
async function trustedImage(root: RunRoot, store: Repository | undefined): Promise<Runnable> {
  const file = openFile(root.path)
  try {
    const before = identityOf(file)
    const image = await openImage(root.path, file)
    const isJudged = await assertImageTrusted(store, image, 'run')
    const records = describeImage(image)?.modules.map(({ record }) => record) ?? []
    if (isJudged && identityOf(file) !== before) throw changedError(root.path)
    const { startInFile, lengthBytes, sif } = image
    const form = sif === undefined ? 'squashfs' : 'sif'
    return { root: { ...root, held: { file, startInFile, lengthBytes, form, isJudged } }, records }
  } catch (error) {
    await file.close()
    throw error
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

/** Records of a sandbox, or of an image that others unpacked. */
function recordsBelow(directory: string): { record: ModuleRecord; id: CID; bytes: Buffer }[] {
  const lock = readOwn(directory, KEPT_LOCK)
  if (lock === undefined) return []
  const names = parseLock(lock.toString('utf8'), join(directory, KEPT_LOCK)).modules.flatMap(
    ({ name }) => name ?? []
  )
  return names.map(name => {
    const path = keptRecord(name)
    const bytes = readOwn(directory, path)
    if (bytes === undefined)
      throw notBelievable(directory, path, 'is missing, although the lock names the module')
    return { record: decodeRecord(bytes, join(directory, path)), id: manifestCid(bytes), bytes }
  })
}

/** Returns undefined if the file does not exist. */
function readOwn(directory: string, path: string): Buffer | undefined {
  try {
    return readKept(directory, path)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    if (code === 'ELOOP') throw notBelievable(directory, path, 'is a link, or lies behind one', cause)
    if (cause instanceof RangeError) throw notBelievable(directory, path, `cannot be read: ${message}`, cause)
    throw new StrataError('IO', { message: `${join(directory, path)} cannot be read: ${message}`, cause })
  }
}

const notBelievable = (directory: string, path: string, fault: string, cause?: unknown): StrataError =>
  new StrataError('SANDBOX_INVALID', {
    message: `${path} of ${directory} ${fault}`,
    facts: { sandbox: directory, file: path },
    hint: `mv ${join(directory, COMPOSE_FOLDER)} elsewhere, to run without the environment of its modules`,
    cause
  })
