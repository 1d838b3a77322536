/** Checks of modules down to their layers, and of every blob against its name: a part of `compose fsck`. */
import type { CID } from 'multiformats/cid'
import { findBlob, readLayer, readRecord } from '../contents/index.ts'
import { BLOBS, dataPath, openStoreFile, type StorePath } from '../files/index.ts'
import { formatModuleName, listRefs } from '../module/index.ts'
import { readRecipe } from '../object/index.ts'
import { type Digest, StrataError, sha256Of } from '../values/index.ts'
import { digestOfBlobFile, filesBelow, strayFile } from './files-on-disk.ts'
import type { FsckRun } from './fsck-run.ts'

/**
 * Checks that every ref names a record, every record its layers, every layer its blobs, in this store or another one.
 * @returns the number of modules
 */
export async function checkModules(run: FsckRun): Promise<number> {
  const { refs, faults } = listRefs(run.store.root)
  for (const fault of faults) run.add(fault, { modules: [] })
  for (const { name, record } of refs) await checkModule(run, formatModuleName(name), record)
  return refs.length
}

async function checkModule(run: FsckRun, name: string, recordId: CID): Promise<void> {
  run.use(sha256Of(recordId), name)
  await run.attempt(async () => {
    for (const id of (await readRecord(run.store, recordId)).layers) {
      run.use(sha256Of(id), name)
      await run.attempt(() => checkLayer(run, name, id), sha256Of(id))
    }
  }, sha256Of(recordId))
}

async function checkLayer(run: FsckRun, name: string, id: CID): Promise<void> {
  const manifest = await readLayer(run.store, id)
  run.layers.set(sha256Of(id), { id, manifest })
  for (const cid of [manifest.tar, manifest.sidecar]) {
    if (cid === undefined) continue
    run.use(sha256Of(cid), name)
    if (findBlob(run.store, sha256Of(cid)) === undefined)
      run.add(missingBlob(sha256Of(cid)), { digest: sha256Of(cid) })
  }
}

/** Checks that every file in blobs/ decodes to the bytes of its name, and that only its owner may change it. @returns their number */
export async function checkBlobs(run: FsckRun): Promise<number> {
  let blobs = 0
  for (const file of filesBelow(run.store.root, BLOBS)) {
    blobs++
    const digest = digestOfBlobFile(file)
    if (digest === undefined) {
      run.add(strayFile(run.folder.displayPath(file), 'is not named as a blob'), { file })
      continue
    }
    await run.attempt(
      async () => {
        run.assertPlain(file)
        await run.readOwn(digest)
        if (file.endsWith('.recipe')) await checkDataOfRecipe(run, file, digest)
        run.intactBlobs.add(digest)
      },
      digest,
      file
    )
  }
  return blobs
}

/** Checks a recipe's data file against its hash, because decoding does not notice every change. */
async function checkDataOfRecipe(run: FsckRun, file: StorePath, digest: Digest): Promise<void> {
  const recipe = await openStoreFile(run.store.root, file)
  const { profile, dataSha256 } = await readRecipe(recipe).finally(() => recipe.close())
  await run.checkData(dataPath(digest, profile), { dataSha256 })
}

const missingBlob = (digest: Digest): StrataError =>
  new StrataError('BLOB_MISSING', { message: `blob sha256:${digest} is in none of the stores` })
