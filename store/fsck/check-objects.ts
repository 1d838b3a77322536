/** Checks of tree indexes and data files against the layers that they were made from: a part of `compose fsck`. */
import { basename, dirname } from 'node:path'
import { findBlob, NOTE_ENDING, readIndex } from '../contents/index.ts'
import { dataPath, dataPathBelow, indexPath, OBJECTS, type StorePath } from '../files/index.ts'
import { dataFileOf } from '../gc/index.ts'
import { compileLayer, noteProven, proveObject } from '../import/index.ts'
import { type Digest, type Profile, type StrataError, sha256Of } from '../values/index.ts'
import { digestOfIndexFile, filesBelow } from './files-on-disk.ts'
import type { FsckRun, KnownLayer } from './fsck-run.ts'

export interface CheckedObjects {
  objects: number
  /** Missing objects that were compiled. */
  compiled: number
}

/** Checks that every object matches its own hashes, and that every layer of this store's tarballs has one. */
export async function checkObjects(run: FsckRun): Promise<CheckedObjects> {
  let objects = 0
  for (const file of filesBelow(run.store.root, OBJECTS)) {
    if (file.endsWith(NOTE_ENDING)) continue
    const known = run.layers.get(digestOfIndexFile(file) as Digest)
    objects++
    const error = await run.failureOf(() => checkObject(run, file, known))
    if (error === undefined || run.wasCollected(known && sha256Of(known.id), file)) continue
    await objectFailed(run, error, file, known)
  }
  return { objects, compiled: run.options.repair ? await compileMissing(run) : 0 }
}

async function compileMissing(run: FsckRun): Promise<number> {
  let compiled = 0
  const { profile } = run.store
  for (const [digest, known] of run.layers) {
    const isOurs = findBlob(run.own, sha256Of(known.manifest.tar)) !== undefined
    if (!isOurs || run.isThere(indexPath(digest, profile))) continue
    await run.attempt(async () => {
      await compile(run, known, profile)
      compiled++
    }, digest)
  }
  return compiled
}

async function checkObject(run: FsckRun, file: StorePath, known: KnownLayer | undefined): Promise<void> {
  run.assertPlain(file)
  const index = await readIndex(run.store.root, file, { afresh: true })
  if (known === undefined) return
  const { manifest } = known
  await run.checkData(dataPath(sha256Of(manifest.tar), index.profile), index)
  if (![manifest.tar, manifest.sidecar].every(cid => cid === undefined || run.intactBlobs.has(sha256Of(cid))))
    return // its layers are missing here, or are a finding already
  const data = await run.openData(dataPath(sha256Of(manifest.tar), index.profile))
  try {
    await proveObject(run.own, { storeRoot: run.store.root, indexPath: file, data, manifest, index })
  } finally {
    await data.close()
  }
  await noteProven(run.store.root, file, index)
}

async function objectFailed(
  run: FsckRun,
  error: StrataError,
  file: StorePath,
  known: KnownLayer | undefined
): Promise<void> {
  if (run.isUnread(error)) return
  const digest = known && sha256Of(known.id)
  // A data file that is part of a tarball cannot be made from that tarball.
  const canRepair = known !== undefined && !run.badBlobs.has(sha256Of(known.manifest.tar))
  if (!run.options.repair || !canRepair) {
    run.add(error, { digest, file })
    return
  }
  const failure = await run.failureOf(() => recompile(run, file, known))
  run.add(failure ?? error, { digest, file, repaired: failure === undefined })
}

/** Objects of other profiles, which were compiled for single images, are removed and made again when needed. */
async function recompile(run: FsckRun, file: StorePath, known: KnownLayer): Promise<void> {
  const { profile } = run.store
  run.folder.remove(file)
  if (file !== indexPath(sha256Of(known.id), profile))
    return removeCopy(run, file, sha256Of(known.manifest.tar))
  await compile(run, known, profile)
  run.forgetData() // compiling may have replaced the data file
  await checkObject(run, file, known)
}

/** Removes the part list beside a tree index of another profile, unless the tarball's recipe names it. */
async function removeCopy(run: FsckRun, index: StorePath, tarball: Digest): Promise<void> {
  const list = dataPathBelow(basename(dirname(dirname(index))), tarball)
  const recipe = findBlob(run.own, tarball)
  if (recipe?.encoding === '.recipe' && (await dataFileOf(recipe, tarball)) === list) return
  for (const path of [`${list}${NOTE_ENDING}`, list]) run.folder.remove(path)
}

function compile(run: FsckRun, { id, manifest }: KnownLayer, profile: Profile): Promise<void> {
  return compileLayer(run.store, id, manifest, profile)
}
