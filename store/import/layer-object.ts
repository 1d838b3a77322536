/**
 * The object of a layer: found in a store, or compiled from the layer's tarball and sidecar, which gives the same
 * bytes.
 */
import type { CID } from 'multiformats/cid'
import { accessOfLayer } from '../access/index.ts'
import {
  findObject,
  type LayerObject,
  type ObjectFiles,
  readBlob,
  readLayer,
  readObject,
  readOpenIndex,
  readSidecar
} from '../contents/index.ts'
import { assertWritable, describeProfile, type Store } from '../files/index.ts'
import type { LayerManifest } from '../module/index.ts'
import type { LayerIndex } from '../object/index.ts'
import {
  type Digest,
  formatCid,
  type Profile,
  profileKey,
  StrataError,
  sha256Of,
  UNLIMITED
} from '../values/index.ts'
import { compileTar } from './compile-tar.ts'
import { marksOnTree } from './marks-collector.ts'
import { inodeFinder, placementOf } from './placement.ts'
import { isBelieved } from './prove-object.ts'
import { publishData, publishIndex } from './publish-object.ts'

/**
 * The object of a layer, compiled first if no store has it. The index is checked against its hash. The data file is
 * hashed only if it is not the one that was checked last (spec/store-layout.md#trust).
 * @throws StrataError BLOB_MISSING, BLOB_CORRUPT, OBJECT_CORRUPT; ACCESS_DENIED
 */
export const openObject = async (
  store: Store,
  layer: CID,
  profile: Profile = store.profile
): Promise<LayerObject> => readObject(await openObjectFiles(store, layer, profile))

/** The tree index of a layer, compiled first if no store has it. @throws as openObject */
export async function readLayerIndex(store: Store, layer: CID): Promise<LayerIndex> {
  const files = await openObjectFiles(store, layer, store.profile)
  try {
    return await readOpenIndex(files)
  } finally {
    await files.indexFile.close()
    await files.data.close()
  }
}

/** `compose gc --objects --grace 0s` may remove an object between its compilation and its opening. */
const MOST_ATTEMPTS = 4

/** The first half of `openObject`. The caller closes both files, or hands them to `readObject`. @throws as openObject */
export async function openObjectFiles(store: Store, layer: CID, profile: Profile): Promise<ObjectFiles> {
  const manifest = await readLayer(store, layer)
  for (let compiled = 0; ; compiled++) {
    const found = await findObject(store, layer, manifest, profile, files => isBelieved(store, files))
    if (found !== undefined) return found
    if (compiled === MOST_ATTEMPTS) break
    await runInTurn(() => compileLayer(store, layer, manifest, profile))
  }
  throw new StrataError('OBJECT_CORRUPT', {
    message: `layer ${formatCid(layer)} was compiled for ${profileKey(profile)}, but is not there`,
    hint: 'compose fsck'
  })
}

let lastTurn: Promise<void> = Promise.resolve()

/** Layers are opened side by side, but compiled one after another, because each keeps all cores busy. */
function runInTurn(work: () => Promise<void>): Promise<void> {
  const turn = lastTurn.then(work)
  lastTurn = turn.catch(() => {})
  return turn
}

/**
 * Compiles a stored layer for a profile. The new files are for those who may read the files from which they are made.
 * @throws StrataError
 */
export async function compileLayer(
  store: Store,
  layer: CID,
  manifest: LayerManifest,
  profile: Profile
): Promise<void> {
  await assertWritable(store, `layer ${formatCid(layer)} has to be compiled for ${describeProfile(profile)}`)
  const tar: Digest = sha256Of(manifest.tar)
  const placement = placementOf(manifest)
  const name = `tarball sha256:${tar}`
  const compiled = await compileTar(store.root, profile, {
    name,
    chunks: readBlob(store, tar),
    limits: UNLIMITED,
    endsAtMarker: true,
    placement,
    searched: store.searched,
    hasLower: manifest.parent !== undefined
  })
  try {
    const sidecar = await readSidecar(store, manifest)
    const locate = inodeFinder(compiled.tree, placement, compiled.leftOut)
    const marks = marksOnTree(sidecar?.entries ?? [], locate, name)
    const access = await accessOfLayer(store, manifest)
    await publishData(store.root, profile, compiled, access.tar)
    await publishIndex(store.root, profile, layer, compiled, marks, access.index)
  } finally {
    await compiled.dataFiles.discard()
    await compiled.recipeFile.discard()
  }
}
