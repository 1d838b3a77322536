/**
 * Reads and checks everything in a store: each blob against its name, each object against its hashes, each module down
 * to its last layer. With `repair`, damaged and missing objects are compiled again from intact tarballs, and damaged
 * and missing blobs are copied from the other stores.
 */
import { checkGroupFolders, type Store } from '../files/index.ts'
import { type Amount, collectGarbage, listCachedLayers, tryRemoveCached } from '../gc/index.ts'
import { rebuildIndex } from '../index/index.ts'
import { CACHED_NOTE_ENDING } from '../layer-cache/index.ts'
import { StrataError } from '../values/index.ts'
import { checkAccess } from './check-access.ts'
import { checkBlobs, checkModules } from './check-blobs.ts'
import { checkCachedLayer } from './check-cache.ts'
import { checkObjects } from './check-objects.ts'
import { checkParts, reportBadParts } from './check-parts.ts'
import { checkSignatures } from './check-signatures.ts'
import { temporaryFiles } from './files-on-disk.ts'
import { type Finding, type FsckOptions, FsckRun } from './fsck-run.ts'

export interface FsckReport {
  store: string
  modules: number
  blobs: number
  objects: number
  /** Bytes of blobs, decoded, and of data files. */
  bytesRead: number
  /** Objects that were missing and were compiled, with `repair`. */
  compiled: number
  /** Files that interrupted commands left in tmp/; 0 if the user may not look there. */
  leftovers: number
  /** Files that no module, no history and no pin needs, for `compose gc`; undefined if a fault hides the needs. */
  unreferenced?: Amount
  /** Files for groups that the user is not in, which were not read. */
  unread: number
  /** True if `index/` was rebuilt (spec/index.md); false if the disk is full, for instance. */
  indexRebuilt: boolean | 'read-only'
  findings: Finding[]
}

export async function fsck(store: Store, options: FsckOptions = {}): Promise<FsckReport> {
  const run = new FsckRun(store, options)
  const modules = await checkModules(run) // from here on, the users of every file are known
  const bad = await checkParts(run)
  const blobs = await checkBlobs(run)
  const { objects, compiled } = await checkObjects(run)
  await reportBadParts(run, bad)
  await checkAccessOfFiles(run)
  await checkSignatures(run)
  await checkCachedLayers(run) // after the access of the layers was settled
  const indexRebuilt = await rebuildIndex(store, { readsData: true })
  return {
    store: store.root,
    modules,
    blobs,
    objects,
    bytesRead: run.bytesRead,
    compiled,
    leftovers: temporaryFiles(run.folder).length,
    unreferenced: await countUnreferenced(store),
    unread: run.unread.size,
    indexRebuilt,
    findings: run.findings
  }
}

/** Checks that every file is open to users of its modules and nobody else, and folders to those who publish. */
async function checkAccessOfFiles(run: FsckRun): Promise<void> {
  const repair = run.options.repair === true
  const faults = await checkAccess(run.store, {
    repair,
    isIntact: digest => run.intactBlobs.has(digest)
  })
  const { root, group } = run.store
  const folders = group === undefined ? [] : checkGroupFolders(root, group, { repair })
  for (const { path, message, ...about } of [...faults, ...folders.map(fault => ({ ...fault, modules: [] }))])
    run.add(new StrataError('STORE_ACCESS', { message }), { file: path, ...about })
}

/** Checks that packed layers match their notes. Faulty ones are removed, since they can be made again. */
async function checkCachedLayers(run: FsckRun): Promise<void> {
  for (const path of listCachedLayers(run.store.root)) {
    const error = await run.failureOf(async () => {
      for (const file of [path, `${path}${CACHED_NOTE_ENDING}`]) run.assertPlain(file)
      await checkCachedLayer(run.store, path, bytes => run.count(bytes))
    })
    if (error === undefined || run.isUnread(error) || run.wasCollected(undefined, path)) continue
    run.add(error, {
      file: path,
      repaired: run.options.repair === true && tryRemoveCached(run.store.root, path)
    })
  }
}

async function countUnreferenced(store: Store): Promise<Amount | undefined> {
  try {
    const { freed, young } = await collectGarbage(store, { dryRun: true, graceSeconds: 0, objects: false })
    const amounts = [freed.blobs, freed.data, freed.indexes, freed.parts, freed.signatures, young]
    return {
      files: amounts.reduce((sum, { files }) => sum + files, 0),
      bytes: amounts.reduce((sum, { bytes }) => sum + bytes, 0)
    }
  } catch (error) {
    if (error instanceof StrataError) return undefined // a finding already, if the fault is in this store
    throw error
  }
}
