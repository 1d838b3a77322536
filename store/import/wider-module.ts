/**
 * Refuses a module with wider access than its contents or the former record of its name
 * (spec/store-layout.md#widening).
 */
import type { CID } from 'multiformats/cid'
import { accessOfModules, type Bound, type Consent, refuseLeaving, refuseOpening } from '../access/index.ts'
import { formatModuleName, type MergedSettings, type ModuleName } from '../module/index.ts'
import type { ModuleSource } from './module-source.ts'
import type { Predecessor } from './predecessor.ts'

export interface WiderThan {
  before: Predecessor | undefined
  sources: readonly ModuleSource[]
  consent: Consent
}

/** @throws StrataError ACCESS_WIDER, NOT_REDISTRIBUTABLE */
export function refuseWiderModule(
  name: ModuleName,
  { accessGroups, redistributable }: Pick<MergedSettings, 'accessGroups' | 'redistributable'>,
  { before, sources, consent }: WiderThan
): void {
  const after = accessOfModules([{ ...name, accessGroups }]).access
  const bounds = [...boundsOf(name, before), ...sources.flatMap(({ bounds = [] }) => bounds)]
  for (const bound of bounds) {
    refuseOpening({ what: bound.what, before: bound.access, after }, consent)
    if (redistributable && !bound.redistributable) refuseLeaving(bound.what, consent)
  }
}

function boundsOf(name: ModuleName, before: Predecessor | undefined): Bound[] {
  if (before?.record === undefined) return []
  const what = before.isCurrent
    ? formatModuleName(name)
    : `${formatModuleName(name)}, until it was unpublished,`
  const { access } = accessOfModules([before.record])
  return [{ what, access, redistributable: before.record.redistributable }]
}

/**
 * Looks at a name whose record of now is damaged or lost, so that its access groups are unknown.
 * @param id the record that the name is to stand for
 * @throws StrataError ACCESS_WIDER, NOT_REDISTRIBUTABLE
 */
export function refuseUnknownBefore(
  name: ModuleName,
  settings: Pick<MergedSettings, 'accessGroups' | 'redistributable'>,
  { id, before, consent }: { id: CID; before: Predecessor | undefined; consent: Consent }
): void {
  if (!before?.isCurrent || before.record !== undefined || before.id.equals(id)) return
  const after = accessOfModules([{ ...name, ...settings }]).access
  const what = `${formatModuleName(name)}, whose record cannot be read,`
  refuseOpening({ what, before: [], after }, consent)
  if (settings.redistributable) refuseLeaving(what, consent)
}
