/** Opens sources that are layers by themselves: tarballs, directories and standard input. */
import { createHash } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { getXattr } from '../../native/index.ts'
import { readDirectoryAsTar } from '../directory/index.ts'
import {
  ByteReader,
  openTarStream,
  RECOGNISED_BYTES,
  readSource,
  recogniseCompression
} from '../input/index.ts'
import { originName, settingsOfTerms, TERMS_ATTRIBUTE } from '../module/index.ts'
import { firstPaxRecord } from '../tar/index.ts'
import { type Digest, StrataError, sha256Of, systemWords } from '../values/index.ts'
import type { LayerInput, ModuleSource, SkippedPath, SourceOptions } from './module-source.ts'

type LayerOptions = Pick<SourceOptions, 'limits' | 'onProgress'>

/**
 * Opens a tarball, a directory, or `-` for standard input. It does not look for other kinds of files.
 * @throws StrataError IO
 */
export async function openLayerSource(path: string, options: LayerOptions): Promise<ModuleSource> {
  const status = path === '-' ? undefined : await statSource(path)
  if (status?.isDirectory()) return openDirectory(path, options)
  return openTarball(path, options, { bytesTotal: status?.isFile() ? status.size : undefined })
}

/** @throws StrataError IO */
export const statSource = (path: string) =>
  stat(path).catch((error: NodeJS.ErrnoException) => {
    refuseAddress(path)
    throw new StrataError('IO', {
      message: `${path} cannot be read: ${systemWords(error)}`,
      facts: { file: path, errno: error.code ?? '' },
      hint: 'SOURCE is a file, a directory, docker://HOST/REPOSITORY:TAG, or - for standard input',
      cause: error
    })
  })

/** @throws StrataError USAGE for what lies on another machine */
function refuseAddress(path: string): void {
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):\/\/(.+)$/.exec(path) ?? []
  if (scheme === undefined) return
  throw new StrataError('USAGE', {
    message: `${path} is an address that import does not read: wanted a file or directory of this machine, or an image in a registry (docker://)`,
    hint: ['oras', 'library'].includes(scheme)
      ? `apptainer pull ${rest.split('/').pop()?.split(/[:@]/)[0] || 'image'}.sif ${path}, then compose import MODULE on the file`
      : `curl -fLO ${path}, then compose import MODULE on the file`
  })
}

export function openDirectory(path: string, { onProgress }: LayerOptions): ModuleSource {
  const skipped: SkippedPath[] = []
  const { tar, attributes, leftOut } = readDirectoryAsTar(path, {
    onSkip: (skippedPath, reason) => skipped.push({ path: skippedPath, reason })
  })
  const name = originName(resolve(path))
  const layer: LayerInput = {
    name: path,
    chunks: countBytes(tar, bytesRead => onProgress?.({ source: path, bytesRead })),
    attributes,
    leftOut,
    origin: () => ({ kind: 'directory', ...(name && { name }) })
  }
  const notes: string[] = []
  const described = settingsOfTerms(termsOf(path), path, notes)
  return { described, layers: [layer], skipped, notes }
}

/** Terms of use in a tarball that compose wrote, or that was packed again with attributes. */
async function firstTerms(reader: ByteReader): Promise<string | undefined> {
  try {
    return firstPaxRecord(await reader.peek(PEEKED_BYTES), `SCHILY.xattr.${TERMS_ATTRIBUTE}`)?.toString()
  } catch (error) {
    await reader.close()
    throw error
  }
}

/** Terms of use of a tree that was unpacked with attributes. */
function termsOf(directory: string): string | undefined {
  const fd = openSync(directory, 'r')
  try {
    return getXattr(fd, '', TERMS_ATTRIBUTE).toString()
  } catch {
    return undefined // no such attribute, or a file system without attributes
  } finally {
    closeSync(fd)
  }
}

/** Enough for the header of a tree's top with all of its records. */
const PEEKED_BYTES = 1 << 14

export interface GivenTarball {
  /** Length of the file, if it is known. */
  bytesTotal?: number
  /** The file's bytes, if the caller has begun to read them. */
  chunks?: AsyncIterable<Uint8Array>
}

/** @param path `-` for standard input */
export async function openTarball(
  path: string,
  { limits, onProgress }: LayerOptions,
  { bytesTotal, chunks = readSource(path) }: GivenTarball = {}
): Promise<ModuleSource> {
  const name = path === '-' ? 'standard input' : path
  const read = countBytes(chunks, bytesRead => onProgress?.({ source: name, bytesRead, bytesTotal }))
  const given = hashIfCompressed(read)
  const fileName = originName(path)
  const reader = new ByteReader(openTarStream(given.chunks, { name, limits }), () => {})
  const terms = await firstTerms(reader)
  const layer: LayerInput = {
    name,
    chunks: reader.rest(),
    origin: ({ manifest }) => ({
      kind: 'tar',
      ...(fileName && { name: fileName }),
      sha256: given.digest() ?? sha256Of(manifest.tar)
    })
  }
  const notes: string[] = []
  const described = settingsOfTerms(terms, name, notes)
  return { described, layers: [layer], notes, close: () => reader.close() }
}

/**
 * Hashes the file if it is compressed. A plain tarball's hash is that of its layer, and hashing it again would cost a
 * tenth of the import.
 */
function hashIfCompressed(chunks: AsyncIterable<Uint8Array>): {
  chunks: AsyncIterable<Uint8Array>
  digest(): Digest | undefined
} {
  const hash = createHash('sha256')
  let isPlain: boolean | undefined
  async function* hashChunks() {
    for await (const chunk of chunks) {
      isPlain ??=
        chunk.length >= RECOGNISED_BYTES &&
        recogniseCompression(Buffer.from(chunk.subarray(0, RECOGNISED_BYTES))) === 'plain'
      if (!isPlain) hash.update(chunk)
      yield chunk
    }
  }
  return { chunks: hashChunks(), digest: () => (isPlain ? undefined : (hash.digest('hex') as Digest)) }
}

/** Yields the same chunks, and calls `onBytes` with the length of each. */
export async function* countBytes(
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (bytesSoFar: number) => void
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    onBytes(bytes)
    yield chunk
  }
}
