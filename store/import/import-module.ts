/**
 * `compose import`: sources into layers, bottom to top, then the record that names them, then the ref. Until the ref
 * is there nobody sees anything; layers of an import that failed later are leftovers that `compose gc` removes.
 */
import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { CID } from 'multiformats/cid'
import { putBlob } from '../blob-store.ts'
import { type Digest, formatCid, manifestCid, sha256Of } from '../digest.ts'
import { readDirectoryAsTar } from '../directory/read-directory.ts'
import { StrataError } from '../errors.ts'
import type { IdNames } from '../id-names.ts'
import { updateIndex } from '../index/update-index.ts'
import { openTarStream } from '../input/decompress.ts'
import { RECOGNISED_BYTES, recogniseCompression } from '../input/recognise.ts'
import { readSource } from '../input/source.ts'
import type { Limits } from '../limits.ts'
import { readRecord } from '../manifests.ts'
import type { MergedSettings } from '../module/merge-spec.ts'
import { formatModuleName, type ModuleName } from '../module/name.ts'
import { encodeRecord, type ModuleRecord, type Origin } from '../module/record.ts'
import { readRef, writeRef } from '../module/refs.ts'
import type { PathBytes } from '../path-bytes.ts'
import { assertWritable, type Store } from '../store.ts'
import { type ImportedLayer, importLayer, type LayerSource } from './import-layer.ts'

export interface ImportModuleOptions {
  name: ModuleName
  settings: MergedSettings
  names: IdNames
  limits: Limits
  /** Listings beside the only source. */
  aclFile?: string
  attributesFile?: string
  ignoreMissing: boolean
  replace: boolean
  onProgress?: (progress: ImportProgress) => void
}

export interface ImportProgress {
  source: string
  /** Bytes of the source as it is given (compressed), so far. */
  bytesRead: number
  /** Their number at the end; undefined for standard input and directories. */
  bytesTotal?: number
}

export interface SkippedPath {
  path: PathBytes
  reason: string
}

export interface ImportModuleReport {
  name: ModuleName
  record: CID
  /** `same`: this very content was published under the name before. */
  outcome: 'created' | 'same' | 'replaced'
  previous?: CID
  layers: ImportedLayer[]
  skipped: SkippedPath[]
}

/** @throws StrataError; the name stands for what it stood for before then */
export async function importModule(store: Store, options: ImportModuleOptions): Promise<ImportModuleReport> {
  const { name, settings } = options
  if (settings.sources.length === 0)
    throw new StrataError('USAGE', {
      message: `no source for ${formatModuleName(name)}`,
      hint: `compose import ${formatModuleName(name)} LAYER.tar`
    })
  if (settings.sources.length > 1 && (options.aclFile ?? options.attributesFile) !== undefined)
    throw new StrataError('USAGE', {
      message: 'a listing of ACLs or attributes is about one source, but there are several',
      hint: 'import the layers as modules of their own, or put the attributes into the tarballs'
    })
  await assertWritable(store)
  const layers: ImportedLayer[] = []
  const origin: Origin[] = []
  const skipped: SkippedPath[] = []
  for (const path of settings.sources) {
    const source = await openSource(path, options, skipped)
    const layer = await importLayer(store, source, {
      names: options.names,
      limits: options.limits,
      ignoreMissing: options.ignoreMissing,
      allowPrivileged: settings.kind === 'base' || settings.allowPrivileged,
      parent: layers.at(-1)?.id,
      placement: { strip: settings.strip ?? 0, prefix: settings.prefix ?? '', owner: settings.owner }
    })
    layers.push(layer)
    origin.push(source.origin(layer))
  }
  const record: ModuleRecord = {
    ...recordSettings(settings),
    ...name,
    layers: layers.map(layer => layer.id),
    origin
  }
  const published = await publishRecord(store, name, record, options.replace)
  await updateIndex(store, published.record)
  return { name, layers, skipped, ...published }
}

interface OpenedSource extends LayerSource {
  /** What the source was; known when it has become this layer. */
  origin(layer: ImportedLayer): Origin
}

async function openSource(
  path: string,
  options: ImportModuleOptions,
  skipped: SkippedPath[]
): Promise<OpenedSource> {
  const status = path === '-' ? undefined : await statSource(path)
  if (status?.isDirectory()) return openDirectory(path, options, skipped)
  return openTarball(path, status?.isFile() ? status.size : undefined, options)
}

const statSource = (path: string) =>
  stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new StrataError('IO', {
      message: `${path} cannot be read: ${error.message}`,
      hint: 'SOURCE is a tarball, a directory, or - for standard input',
      cause: error
    })
  })

function openDirectory(
  path: string,
  { onProgress }: ImportModuleOptions,
  skipped: SkippedPath[]
): OpenedSource {
  const { tar, attributes } = readDirectoryAsTar(path, {
    onSkip: (skippedPath, reason) => skipped.push({ path: skippedPath, reason })
  })
  const name = basename(resolve(path))
  return {
    name: path,
    chunks: observed(tar, bytesRead => onProgress?.({ source: path, bytesRead })),
    attributes,
    origin: () => ({ kind: 'directory', name })
  }
}

function openTarball(
  path: string,
  bytesTotal: number | undefined,
  options: ImportModuleOptions
): OpenedSource {
  const name = path === '-' ? 'standard input' : path
  const read = observed(readSource(path), bytesRead =>
    options.onProgress?.({ source: name, bytesRead, bytesTotal })
  )
  const given = hashedIfCompressed(read)
  return {
    name,
    chunks: openTarStream(given.chunks, { name, limits: options.limits }),
    aclFile: options.aclFile,
    attributesFile: options.attributesFile,
    origin: ({ manifest }) => ({
      kind: 'tar',
      ...(path !== '-' && { name: basename(path) }),
      sha256: given.digest() ?? sha256Of(manifest.tar)
    })
  }
}

/** A plain tarball's hash is known from its layer: hashing it once more would cost a tenth of the import. */
function hashedIfCompressed(chunks: AsyncIterable<Uint8Array>): {
  chunks: AsyncIterable<Uint8Array>
  digest(): Digest | undefined
} {
  const hash = createHash('sha256')
  let isPlain: boolean | undefined
  async function* hashed() {
    for await (const chunk of chunks) {
      isPlain ??=
        chunk.length >= RECOGNISED_BYTES &&
        recogniseCompression(Buffer.from(chunk.subarray(0, RECOGNISED_BYTES))) === 'plain'
      if (!isPlain) hash.update(chunk)
      yield chunk
    }
  }
  return { chunks: hashed(), digest: () => (isPlain ? undefined : (hash.digest('hex') as Digest)) }
}

async function* observed(
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

/** Settings of the layers and of this one import are not the module's. */
function recordSettings(
  settings: MergedSettings
): Omit<MergedSettings, 'sources' | 'prefix' | 'strip' | 'owner'> {
  const { sources: _sources, prefix: _prefix, strip: _strip, owner: _owner, ...kept } = settings
  return kept
}

async function publishRecord(
  store: Store,
  name: ModuleName,
  record: ModuleRecord,
  replace: boolean
): Promise<Pick<ImportModuleReport, 'record' | 'outcome' | 'previous'>> {
  const bytes = encodeRecord(record)
  const id = manifestCid(bytes)
  const before = readRef(store.root, name)
  // Another file of the same content (compressed otherwise, say) is no other module.
  if (before !== undefined && (await isSameButOrigin(store, before, record)))
    return { record: before, outcome: 'same' }
  if (before !== undefined && !replace)
    throw new StrataError('MODULE_EXISTS', {
      message: `${formatModuleName(name)} is published with other content`,
      facts: { published: formatCid(before), new: formatCid(id) },
      hint: 'give it a version of its own, or --replace (the old record stays reachable by its id)'
    })
  await putBlob(store, bytes)
  const { outcome, previous } = await writeRef(store.root, name, id, { replace })
  return { record: id, outcome, ...(previous && { previous }) }
}

async function isSameButOrigin(store: Store, before: CID, record: ModuleRecord): Promise<boolean> {
  const there = await readRecord(store, before).catch(error => {
    // A record that is lost or damaged can be replaced, and only that.
    if (error instanceof StrataError) return undefined
    throw error
  })
  if (there === undefined) return false
  return Buffer.compare(encodeRecord({ ...there, origin: [] }), encodeRecord({ ...record, origin: [] })) === 0
}
