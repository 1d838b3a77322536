/** Images that are the base of a stage: modules without a name (spec/definitions.md#bootstrap). */
import { createHash } from 'node:crypto'
import { statSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { CID } from 'multiformats/cid'
import { IdNames } from '../../store/accounts/index.ts'
import type { ImportProgress } from '../../store/import/index.ts'
import type { ModuleName, ModuleRecord } from '../../store/module/index.ts'
import type { RegistrySettings } from '../../store/registry/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { DEFAULT_LIMITS, StrataError, showPath } from '../../store/values/index.ts'
import { findImported, noteImported } from '../cache/index.ts'
import { isWhole, type Target } from '../outputs/index.ts'
import { type HostRequest, publishModule, splitReference } from '../sources/index.ts'

export interface StageBase {
  target: Target
  /**
   * Records of images that are modules without a name. No module can require them, so their layers and settings become
   * those of the new module.
   */
  unnamed: ModuleRecord[]
}

export interface BaseOptions {
  /** Opens modules, sandboxes, or an image in a registry. */
  openTarget(words: string[]): Promise<Target>
  registry: RegistrySettings
  /** A folder for files of this build. */
  work: string
  onImport(progress: ImportProgress): void
  note(text: string): void
}

const TAR_BLOCK_BYTES = 512
const MOST_SCRATCH_BLOCKS = 256
const CLOSED: readonly string[] = ['STORE_ACCESS', 'ACCESS_WIDER', 'ACCESS_DENIED']

/**
 * A layer without files, because a stack has at least one layer. Anybody can publish the usual empty tarball for a group
 * alone, which would close it to all others. There is nothing to protect in it, so the next longer one is taken then.
 */
export async function scratchBase(store: Repository, options: BaseOptions): Promise<StageBase> {
  for (let blocks = 2; ; blocks++)
    try {
      const { target, unnamed } = await importedBase(store, emptyTarball(options.work, blocks), options)
      return { target, unnamed: unnamed.map(record => ({ ...record, origin: [] })) }
    } catch (error) {
      const isClosed = error instanceof StrataError && CLOSED.includes(error.code)
      if (!isClosed || blocks === MOST_SCRATCH_BLOCKS) throw error
    }
}

function emptyTarball(folder: string, blocks: number): string {
  const file = join(folder, 'scratch.tar')
  writeFileSync(file, Buffer.alloc(blocks * TAR_BLOCK_BYTES))
  return file
}

/** @param isNameless of the modules that no module can require */
export async function withoutNames(
  store: Repository,
  target: Target,
  isNameless: (module: Target['modules'][number]) => boolean = () => true
): Promise<StageBase> {
  const nameless = target.modules.filter(isNameless)
  const unnamed = await Promise.all(nameless.map(({ record }) => store.readRecord(record!)))
  const modules = target.modules.map(module => (isNameless(module) ? { layers: module.layers } : module))
  return { target: { ...target, modules }, unnamed }
}

export async function importedBase(
  store: Repository,
  from: string,
  options: BaseOptions
): Promise<StageBase> {
  const key = await identityOf(store, from)
  const before = key === undefined ? undefined : await importedBefore(store, key)
  if (before !== undefined) return baseOf(from, before)
  const { base, record } = await importBase(store, from, options)
  if (key !== undefined && key === (await identityOf(store, from))) rememberImport(key, record, options)
  return base
}

const baseOf = (name: string, known: ModuleRecord): StageBase => ({
  target: { name, modules: [{ layers: known.layers }] },
  unnamed: [known]
})

/**
 * A base that is made from what `key` names, unless it was made before.
 * @param make gives the path of a file
 * @param isAnew true to make it in any case
 */
export async function madeBase(
  store: Repository,
  { name, key, isAnew = false }: { name: string; key: string; isAnew?: boolean },
  options: BaseOptions,
  make: () => Promise<string>
): Promise<StageBase> {
  const before = isAnew ? undefined : await importedBefore(store, key)
  if (before !== undefined) return withReference(name, baseOf(name, before))
  const { base, record } = await importBase(store, await make(), options)
  rememberImport(key, record, options)
  return withReference(name, base)
}

/** The file is gone after the build, so the origin says what the file was made from or fetched as. */
const withReference = (reference: string, { target, unnamed }: StageBase): StageBase => ({
  target: { ...target, name: reference },
  unnamed: unnamed.map(record => ({
    ...record,
    origin: record.origin.map(({ name: _, ...origin }) => ({ ...origin, reference }))
  }))
})

const UNLISTED = {
  names: new IdNames(),
  limits: DEFAULT_LIMITS,
  ignoreMissing: false,
  replace: false,
  unlisted: true
}

async function importBase(
  store: Repository,
  from: string,
  options: BaseOptions
): Promise<{ base: StageBase; record: CID }> {
  const { record, notes } = await choosing(from, () =>
    publishModule(store, {
      name: unlistedName(basename(from), basename(from)),
      flags: { kind: 'base', sources: [from] },
      ...UNLISTED,
      registry: options.registry,
      onProgress: options.onImport
    })
  )
  for (const note of notes) options.note(note)
  return { base: baseOf(from, await store.readRecord(record)), record }
}

/** In a definition, an image of several is chosen in `From`. */
async function choosing<T>(from: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof StrataError) || error.code !== 'SOURCE_CHOICE') throw error
    const { message, facts } = error
    const [first] = (facts.references ?? []) as string[]
    if (first === undefined) throw error
    const { path } = await splitReference(from)
    throw new StrataError('SOURCE_CHOICE', { message, facts, hint: `From: ${path}:${first}` })
  }
}

/** Without a cache, as where others may write to it, the file is imported again the next time. */
function rememberImport(key: string, record: CID, { note }: BaseOptions): void {
  try {
    noteImported(key, record, process.env)
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    note(`the base will be imported again next time: ${error.message}`)
  }
}

/** Nobody but root can change a file and keep the time of its last change. Undefined for what is no regular file. */
async function identityOf({ root }: Repository, from: string): Promise<string | undefined> {
  const { path } = await splitReference(from)
  const status = statSync(path, { bigint: true, throwIfNoEntry: false })
  if (!status?.isFile()) return undefined
  const { dev, ino, size, mtimeNs, ctimeNs } = status
  const words = ['base of a definition', root, resolve(from), dev, ino, size, mtimeNs, ctimeNs]
  return createHash('sha256').update(words.join('\n')).digest('hex')
}

/** The module that a file became before, if all of it is still there. */
async function importedBefore(store: Repository, key: string): Promise<ModuleRecord | undefined> {
  try {
    const id = findImported(key, process.env)
    if (id === undefined) return undefined
    const record = await store.readRecord(id)
    return (await isWhole(store, { record: id, layers: record.layers })) ? record : undefined
  } catch (error) {
    if (error instanceof StrataError) return undefined
    throw error
  }
}

export interface HostFiles {
  file: string
  /** Of the definition. */
  text: string
  host: HostRequest
}

/** Files of the host as a base, above the modules that it was asked to leave out. */
export async function hostBase(
  store: Repository,
  { file, text, host }: HostFiles,
  options: BaseOptions & { allowPrivileged: boolean }
): Promise<StageBase> {
  const below = host.bases.length === 0 ? [] : (await options.openTarget(host.bases)).modules
  const { record, notes, skipped } = await publishModule(store, {
    ...UNLISTED,
    name: unlistedName(basename(file), text),
    flags: { kind: 'application', sources: [], allowPrivileged: options.allowPrivileged },
    host,
    registry: options.registry,
    onProgress: options.onImport
  })
  for (const note of notes) options.note(note)
  for (const { path, reason } of skipped) options.note(`left out: /${showPath(path)}: ${reason}`)
  const { target, unnamed } = baseOf(file, await store.readRecord(record))
  return { target: { ...target, modules: [...below, ...target.modules] }, unnamed }
}

/** A name for a module that no ref names; the version tells those of one name apart. */
export const unlistedName = (name: string, of: string): ModuleName => ({
  category: 'image',
  name: `i${name.replace(/\.\w+$/, '').replace(/[^A-Za-z0-9]+/g, '.')}`.replace(/\.$/, '').slice(0, 60),
  version: `0.${createHash('sha256').update(of).digest('hex').slice(0, 12)}`
})
