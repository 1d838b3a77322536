/**
 * A sandbox directory that compose made as a source (spec/sources.md#sandbox): its changes as a layer on the modules
 * that it was made of, or its whole tree.
 */

import type { Bound } from '../../store/access/index.ts'
import type { ModuleSource } from '../../store/import/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { showPath } from '../../store/values/index.ts'
import { keptBounds } from '../sandbox/index.ts'
import { keptLock } from './compose-folder.ts'
import { composedBounds } from './composed-bounds.ts'
import { composedSettings } from './composed-settings.ts'
import { layerOf, type OpenedSandbox, openSandbox, type SandboxOptions } from './opened-sandbox.ts'
import { changesSource } from './sandbox-changes.ts'
import { recordsOfSandbox } from './sandbox-records.ts'

/**
 * Owners, modes, ACLs and attributes are the stored ones with later edits. Generated files are left out.
 * @throws StrataError SANDBOX_INVALID, LOCK_INVALID, ACCESS_WIDER, IO; USAGE if there are no changes; from the layer
 * also SOURCE_CHANGED
 */
export async function openSandboxSource(
  store: Repository,
  directory: string,
  options: SandboxOptions
): Promise<ModuleSource> {
  const sandbox = await openSandbox(store, directory, options)
  const { edits, lock, records } = sandbox
  const copied = options.capture?.bounds ?? options.bounds ?? keptBounds(directory)
  const bounds = [...(await composedBounds(store, lock, records.of, directory)), ...copied]
  const source = options.flatten
    ? wholeSource(sandbox, options)
    : await changesSource(store, sandbox, options)
  const notes = [
    ...records.notes,
    ...edits.unprivileged.map(
      path => `/${showPath(path)} lost set-id bits or capabilities because its content changed`
    ),
    ...(source.notes ?? [])
  ]
  return { ...source, bounds, skipped: edits.skipped, notes }
}

/**
 * Access and licences of all that a sandbox was made of.
 * @throws StrataError SANDBOX_INVALID, LOCK_INVALID, IO
 */
export async function boundsOfSandbox(store: Repository, directory: string): Promise<Bound[]> {
  const lock = keptLock(directory)
  const records = await recordsOfSandbox(store, directory, lock.modules)
  return [...(await composedBounds(store, lock, records.of, directory)), ...keptBounds(directory)]
}

/** The tree itself meets all requirements, so the module has none. */
const wholeSource = (sandbox: OpenedSandbox, options: SandboxOptions): ModuleSource => ({
  described: composedSettings(sandbox.records.records, sandbox.directory),
  layers: [layerOf(sandbox, sandbox.edits.captured!, options)]
})
