/**
 * Finds the access and licences of the parts of an image or sandbox that compose made. A module made of it must not
 * be open to other users (spec/store-layout.md#widening). Layers without a record are treated as in a build
 * (spec/audience.md#layers-alone). For parts that no store knows, the lock's audience counts.
 */

import type { Bound } from '../../store/access/index.ts'
import { accessFor, EVERYONE, type FileAccess } from '../../store/files/index.ts'
import { formatModuleName, type ModuleRecord } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { sha256Of } from '../../store/values/index.ts'
import { groupsOf, parseAudience } from '../audience/index.ts'
import { modulesBehind, type OpenedModule, type Target } from '../outputs/index.ts'
import type { ChosenModule, Lock } from '../stack/index.ts'
import { recordsOfSandbox } from './sandbox-records.ts'

/**
 * @param recordOf the record of a part; undefined if it has none, or nobody has it
 * @param source as the user named it
 */
export async function composedBounds(
  store: Repository,
  { modules, parameters }: { modules: ChosenModule[]; parameters: Pick<Lock['parameters'], 'audience'> },
  recordOf: (module: ChosenModule) => ModuleRecord | undefined,
  source: string
): Promise<Bound[]> {
  const opened: OpenedModule[] = []
  let isAllKnown = true
  for (const module of modules) {
    const record = recordOf(module)
    if (record !== undefined) opened.push({ ...module, metadata: { record, bytes: Buffer.alloc(0) } })
    else if (await isStored(store, module)) opened.push({ layers: module.layers })
    else isAllKnown = false
  }
  const { restrictions, licensed } = await modulesBehind(store, opened)
  const bounds: Bound[] = restrictions.map(({ module, groups }) => ({
    what: `${module}, which is in ${source},`,
    access: accessFor(groups.map(({ gid }) => gid)),
    redistributable: true
  }))
  for (const module of licensed)
    if (!module.redistributable)
      bounds.push({
        what: `${formatModuleName(module)}, which is in ${source},`,
        access: EVERYONE,
        redistributable: false
      })
  if (!isAllKnown)
    bounds.push({
      what: `a part of ${source} that no store knows`,
      access: accessOf(parameters.audience),
      redistributable: true
    })
  return bounds
}

/**
 * Bounds of all that a target is made of, for files that are copied out of it.
 * @param unnamed records of its parts that have no name
 * @param source as the user named it
 */
export async function boundsOfTarget(
  store: Repository,
  { target, unnamed }: { target: Pick<Target, 'modules'>; unnamed: ModuleRecord[] },
  source: string
): Promise<Bound[]> {
  const named = await recordsOfSandbox(store, '', target.modules)
  const modules: ChosenModule[] = unnamed.map(({ layers }) => ({ layers }))
  const parts = { modules: [...modules, ...target.modules], parameters: { audience: 'everyone' } }
  const recordOf = (part: ChosenModule) => unnamed[modules.indexOf(part)] ?? named.of(part)
  return composedBounds(store, parts, recordOf, source)
}

async function isStored(store: Repository, { layers }: ChosenModule): Promise<boolean> {
  for (const layer of layers) if ((await store.findBlob(sha256Of(layer))) === undefined) return false
  return true
}

function accessOf(text: string): FileAccess {
  const audience = parseAudience(text, 'audience')
  return audience.kind === 'everyone' ? EVERYONE : accessFor(groupsOf(audience).map(({ gid }) => gid))
}
