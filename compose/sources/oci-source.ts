/** OCI layouts as folders, and image archives, which `docker save`, `podman save` and `skopeo copy` write. */

import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from '../../store/disk/index.ts'
import { TemporaryFile } from '../../store/files/index.ts'
import { countBytes, type ModuleSource, openTarball } from '../../store/import/index.ts'
import {
  ByteReader,
  openTarStream,
  RECOGNISED_BYTES,
  readSource,
  recogniseCompression
} from '../../store/input/index.ts'
import { originName } from '../../store/module/index.ts'
import { writeFully } from '../../store/object/index.ts'
import {
  type ArchiveFile,
  ImageArchive,
  INDEX_FILE,
  LAYOUT_FILE,
  LayoutFiles,
  mayBeImage,
  openImageSource,
  readAtBuffer
} from '../../store/oci/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { type Limits, StrataError, systemWords, UNLIMITED } from '../../store/values/index.ts'
import { type FoundBase, imageBase } from './find-image-base.ts'
import { type OpenSourceOptions, type SourceKind, START_BYTES } from './source-kind.ts'

export const imageLayout: SourceKind = {
  hasChoice: true,
  recognises: async ({ path, status }) =>
    status.isDirectory() &&
    (await exists(join(path, LAYOUT_FILE))) &&
    ((await exists(join(path, INDEX_FILE))) || (await exists(join(path, 'blobs')))),
  hasBase: true,
  open: async (store, { path }, options) =>
    openAbove(store, options, base => openImageSource(new LayoutFiles(path), options, base))
}

export const imageArchive: SourceKind = {
  hasChoice: true,
  hasBase: true,
  recognises: ({ path, status, start }) =>
    status.isFile() && mayBeImageArchive(start, () => readSource(path), path),
  async open(store, { path, status, start }, options) {
    const bytesTotal = status.size
    const isPlain = recogniseCompression(start) === 'plain'
    const opened = isPlain
      ? { file: await plainFile(path), limits: options.limits }
      : await unpackArchive(store, { path, chunks: readSource(path), bytesTotal }, options)
    return (await openArchive(store, opened, options)) ?? openTarball(path, options, { bytesTotal })
  }
}

/**
 * Opens an image archive that comes through a pipe, or a tarball.
 * @param input standard input from its beginning
 */
export async function openPiped(
  store: Repository,
  input: AsyncIterable<Uint8Array>,
  options: OpenSourceOptions
): Promise<ModuleSource> {
  const reader = new ByteReader(input, () => {})
  const start = await reader.peek(PEEKED_BYTES)
  const chunks = reader.rest()
  if (!(await mayBeImageArchive(start, () => once(start), '-'))) return openTarball('-', options, { chunks })
  const opened = await unpackArchive(store, { path: '-', chunks }, options)
  const image = await openArchive(store, opened, options)
  if (image !== undefined) return image
  throw new StrataError('SOURCE_INVALID', {
    message: 'standard input begins like an image archive, but is not one',
    hint: 'if it is a tarball of files, write it to a file and import the file'
  })
}

/** Bytes of a compressed pipe that are enough to decode the first header. */
const PEEKED_BYTES = 1 << 16

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** @param chunks the file, or its beginning, not decoded */
async function mayBeImageArchive(
  start: Buffer,
  chunks: () => AsyncIterable<Uint8Array>,
  name: string
): Promise<boolean> {
  const isPlain = recogniseCompression(start.subarray(0, RECOGNISED_BYTES)) === 'plain'
  return mayBeImage(readAtBuffer(isPlain ? start : await firstDecoded(chunks(), name)))
}

/** Decodes as much as possible; a later reader reports damage. */
async function firstDecoded(chunks: AsyncIterable<Uint8Array>, name: string): Promise<Buffer> {
  const decoded: Uint8Array[] = []
  let decodedBytes = 0
  try {
    for await (const chunk of openTarStream(chunks, { name, limits: UNLIMITED })) {
      decoded.push(chunk)
      decodedBytes += chunk.length
      if (decodedBytes >= START_BYTES) break
    }
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
  }
  return Buffer.concat(decoded)
}

async function plainFile(path: string): Promise<ArchiveFile> {
  const handle = await open(path, 'r').catch(cause => {
    throw new StrataError('IO', { message: `${path} cannot be read: ${systemWords(cause)}`, cause })
  })
  return { fd: handle.fd, name: path, fileName: originName(path), close: () => handle.close() }
}

interface PackedArchive {
  /** `-` for standard input. */
  path: string
  chunks: AsyncIterable<Uint8Array>
  bytesTotal?: number
}

interface OpenedArchive {
  file: ArchiveFile
  /** For its layers. */
  limits: Limits
}

/**
 * The parts of an archive are read in another order than they are stored, so a compressed one is first unpacked
 * beside the store.
 * Its ratio of compression also limits its layers, which may be compressed as well: 1,000 times 1,000 would be a
 * million.
 */
async function unpackArchive(
  store: Repository,
  { path, chunks, bytesTotal }: PackedArchive,
  { limits, onProgress }: OpenSourceOptions
): Promise<OpenedArchive> {
  const name = path === '-' ? 'standard input' : path
  const read = countBytes(chunks, bytesRead => onProgress?.({ source: name, bytesRead, bytesTotal }))
  const file = TemporaryFile.create(store.root)
  const expansion = { readBytes: 0, decodedBytes: 0 }
  try {
    let position = 0
    for await (const chunk of openTarStream(read, { name, limits, expansion })) {
      await writeFully(file.handle, chunk, position)
      position += chunk.length
    }
  } catch (error) {
    await file.discard()
    throw error
  }
  const times = Math.max(1, expansion.decodedBytes / expansion.readBytes)
  return {
    file: { fd: file.handle.fd, name, fileName: originName(path), close: () => file.discard() },
    limits: { ...limits, expansionRatio: Math.max(1, Math.floor(limits.expansionRatio / times)) }
  }
}

/** @returns undefined if it is not an image archive; then it is closed */
async function openArchive(
  store: Repository,
  { file, limits }: OpenedArchive,
  options: OpenSourceOptions
): Promise<ModuleSource | undefined> {
  let archive: ImageArchive | undefined
  try {
    archive = ImageArchive.open(file, options.limits)
  } finally {
    if (archive === undefined) await file.close()
  }
  return archive && openAbove(store, options, base => openImageSource(archive, { ...options, limits }, base))
}

/** With `--base`, only the layers above those of the base are imported. */
export async function openAbove(
  store: Repository,
  { base: [typed, ...others] = [] }: OpenSourceOptions,
  open: (base?: FoundBase) => Promise<ModuleSource>
): Promise<ModuleSource> {
  if (typed === undefined) return open()
  if (others.length > 0)
    throw new StrataError('USAGE', {
      message: `--base ${others[0]}: an image has one base, and ${typed} is already named`
    })
  const base = await imageBase(store, typed)
  return base.above(await open(base))
}
