/** A sandbox as a target: the layers that it was made from, and on top what was changed in it since. */
import type { CID } from 'multiformats/cid'
import { accessOfLayers, type LayerAccess } from '../../store/access/layer-access.ts'
import { StrataError } from '../../store/errors.ts'
import { IdNames } from '../../store/id-names.ts'
import { importLayer } from '../../store/import/import-layer.ts'
import { AS_IT_IS } from '../../store/import/placement.ts'
import { UNLIMITED } from '../../store/limits.ts'
import { assertWritable, type Store } from '../../store/store.ts'
import { readSandbox, SANDBOX_FOLDER, type SandboxEdits } from '../sandbox/index.ts'
import type { ChosenModule } from '../stack/chosen-module.ts'
import { parseLock } from '../stack/lock.ts'
import { checkSandboxLock } from './check-sandbox.ts'
import type { Target } from './target.ts'

export interface SandboxTargetOptions {
  /** Hash every file: sizes and times are not trusted. */
  checkContents: boolean
}

/**
 * What was changed is imported as one more layer; an untouched sandbox is its lock again.
 * @throws StrataError SANDBOX_INVALID, SOURCE_CHANGED, IO
 */
export async function openSandboxTarget(
  store: Store,
  directory: string,
  { checkContents }: SandboxTargetOptions
): Promise<Pick<Target, 'modules' | 'usual' | 'edits'>> {
  const edits = readSandbox(directory, { checkContents })
  const lock = parseLock(edits.lock.toString('utf8'), `${directory}/${SANDBOX_FOLDER}/lock`)
  checkSandboxLock(directory, edits, lock.treeDigest)
  const below = lock.modules.flatMap(({ layers }) => layers)
  const captured = await importEdits(store, directory, edits, below)
  return { modules: [...lock.modules, ...captured], usual: lock.parameters, edits }
}

async function importEdits(
  store: Store,
  directory: string,
  { captured }: SandboxEdits,
  below: CID[]
): Promise<ChosenModule[]> {
  if (captured === undefined) return []
  await assertWritable(store).catch(cause => {
    throw new StrataError('STORE_READONLY', {
      message: `${directory} was changed, and the changes need a store that can be written to`,
      hint: 'COMPOSE_STORE=FOLDER names a store of your own, COMPOSE_PATH the one with the modules',
      cause
    })
  })
  const { id } = await importLayer(
    store,
    { name: directory, chunks: captured.tar, attributes: captured.attributes },
    {
      names: new IdNames(),
      limits: UNLIMITED,
      placement: AS_IT_IS,
      ignoreMissing: false,
      allowPrivileged: true,
      captured: true,
      accessFor: () => accessOfEdits(store, below)
    }
  )
  return [{ layers: [id], captured: true }]
}

/** Files of the modules may have been changed or copied: what was captured is for those who may read all of them. */
async function accessOfEdits(store: Store, below: CID[]): Promise<LayerAccess> {
  const access = await accessOfLayers(store, below)
  return { tar: access, sidecar: access, index: access }
}
