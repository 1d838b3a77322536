/** A sandbox as a target: the layers that it was made from, and its changes on top. */

import type { CID } from 'multiformats/cid'
import type { Bound, LayerAccess } from '../../store/access/index.ts'
import { IdNames } from '../../store/accounts/index.ts'
import { intersectionOf } from '../../store/files/index.ts'
import { AS_IT_IS } from '../../store/import/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError, UNLIMITED } from '../../store/values/index.ts'
import { keptBounds, readSandbox, SANDBOX_FOLDER, type SandboxEdits } from '../sandbox/index.ts'
import { type ChosenModule, parseLock } from '../stack/index.ts'
import { checkSandboxLock } from './check-sandbox.ts'
import { notWithoutWriting } from './image-target.ts'
import type { Target } from './resolve-target.ts'

export interface SandboxTargetOptions {
  /** Hash every file instead of trusting sizes and times. */
  checkContents: boolean
  /** Refuse a changed sandbox, because its changes would be written to the store. */
  isDryRun?: boolean
}

/**
 * Imports the changes of a sandbox as one more layer; an unchanged sandbox is just its lock.
 * @throws StrataError SANDBOX_INVALID, SOURCE_CHANGED, NOT_REDISTRIBUTABLE, IO
 */
export async function openSandboxTarget(
  store: Repository,
  directory: string,
  { checkContents, isDryRun = false }: SandboxTargetOptions
): Promise<Pick<Target, 'modules' | 'usual' | 'edits'>> {
  const edits = readSandbox(directory, { checkContents })
  const lock = parseLock(edits.lock.toString('utf8'), `${directory}/${SANDBOX_FOLDER}/lock`)
  checkSandboxLock(directory, edits, lock.treeDigest)
  if (isDryRun && edits.captured !== undefined) throw notWithoutWriting(directory)
  const below = lock.modules.flatMap(({ layers }) => layers)
  const captured = await importEdits(store, directory, edits, below)
  return { modules: [...lock.modules, ...captured], usual: lock.parameters, edits }
}

async function importEdits(
  store: Repository,
  directory: string,
  { captured }: SandboxEdits,
  below: CID[]
): Promise<ChosenModule[]> {
  if (captured === undefined) return []
  const bounds = keptBounds(directory)
  refuseLicensed(directory, bounds)
  await store.assertWritable(`${directory} was changed, and the changes become a layer in the store`)
  const id = await importEditedLayer(store, directory, captured, () => accessOfEdits(store, below, bounds))
  return [{ layers: [id], captured: true }]
}

/** The changes of a tree become a layer as they are, in a store without a module of them, for everybody who can enter the store unless `accessFor` says less. */
export async function importEditedLayer(
  store: Repository,
  directory: string,
  { tar, attributes }: NonNullable<SandboxEdits['captured']>,
  accessFor?: () => Promise<LayerAccess>
): Promise<CID> {
  const { id } = await store.importLayer(
    { name: directory, chunks: tar, attributes },
    {
      names: new IdNames(),
      limits: UNLIMITED,
      placement: AS_IT_IS,
      ignoreMissing: false,
      allowPrivileged: true,
      captured: true,
      accessFor
    }
  )
  return id
}

/** A layer without a record cannot say that it must not leave the site. */
function refuseLicensed(directory: string, bounds: Bound[]): void {
  const licensed = bounds.find(({ redistributable }) => !redistributable)
  if (licensed === undefined) return
  throw new StrataError('NOT_REDISTRIBUTABLE', {
    message: `${directory} may hold files of ${licensed.what} and they must not leave the site, which only a module can say`,
    facts: { sandbox: directory },
    hint: `compose import MODULE ${directory} --no-redistribute`
  })
}

/** Changed files may be copies of the modules' files, so the new layer is only for users who may read all of them. */
async function accessOfEdits(store: Repository, below: CID[], bounds: Bound[]): Promise<LayerAccess> {
  const ofBelow = await store.accessOfLayers(below)
  const access = bounds.reduce((all, bound) => intersectionOf(all, bound.access), ofBelow)
  return { tar: access, sidecar: access, index: access }
}
