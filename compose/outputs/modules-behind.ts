/**
 * Finds the modules whose access groups and licences count for an output (spec/audience.md#layers-alone). A layer
 * that a list or lock names without a record still belongs to its module, because anybody can leave the record out of
 * a list.
 */

import type { CID } from 'multiformats/cid'
import { asCloser, closerAccess, type LayerAccess, type LicensedModule } from '../../store/access/index.ts'
import { groupName } from '../../store/accounts/index.ts'
import { EVERYONE } from '../../store/files/index.ts'
import type { Catalogue } from '../../store/index/index.ts'
import { formatModuleName, type ModuleRecord } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { DAG_JSON, formatCid, parseCid, sha256Of } from '../../store/values/index.ts'
import { type Group, type Restriction, restrictionsOf } from '../audience/index.ts'
import type { OpenedModule } from './composition.ts'

export interface ModulesBehind {
  /** The modules that do not admit everyone. */
  restrictions: Restriction[]
  /** The modules whose licences count. */
  licensed: LicensedModule[]
}

/**
 * Stores are searched only for layers without a record.
 * @throws StrataError IO if refs/ cannot be read, or the host cannot be asked for a group
 */
export async function modulesBehind(store: Repository, modules: OpenedModule[]): Promise<ModulesBehind> {
  const records = modules.flatMap(({ metadata }) => (metadata === undefined ? [] : [metadata.record]))
  const bare = modules.filter(({ metadata }) => metadata === undefined).flatMap(({ layers }) => layers)
  const behind = await behindRecords(store, records)
  if (bare.length === 0) return behind
  const catalogue = store.catalogue()
  const found = new Map<string, ModulesBehind>()
  for (const layer of bare) {
    const id = formatCid(layer)
    if (!found.has(id)) found.set(id, await behindLayer(store, catalogue, layer))
  }
  return {
    restrictions: [...behind.restrictions, ...unique([...found.values()].flatMap(each => each.restrictions))],
    licensed: [...new Set([...behind.licensed, ...[...found.values()].flatMap(each => each.licensed)])]
  }
}

/** The records, and the access of the stored files where that is closer: their publishers may not have had the content. */
async function behindRecords(store: Repository, records: ModuleRecord[]): Promise<ModulesBehind> {
  const behind: ModulesBehind = { restrictions: await restrictionsOf(records), licensed: [] }
  for (const record of records) {
    const closer = await closerAccess(record, layers => store.accessOfLayers(layers))
    behind.licensed.push(closer === undefined ? record : asCloser(record))
    if (closer !== undefined)
      behind.restrictions.push(restrictionTo(closer, `the content of ${formatModuleName(record)}`))
  }
  return behind
}

/**
 * Users admitted by any module of a layer may have the layer; its files in the store have the same access
 * (spec/store-layout.md#access).
 */
async function behindLayer(store: Repository, catalogue: Catalogue, layer: CID): Promise<ModulesBehind> {
  const manifest = await store.readLayer(layer)
  const ofLayer = await recordsNaming(store, catalogue, layer)
  // The same tarball may be placed elsewhere in the tree by a manifest that no module names.
  const licensed = ofLayer.length > 0 ? ofLayer : await recordsNaming(store, catalogue, manifest.tar)
  return {
    restrictions: strictest(await unionOf(ofLayer), asOnDisk(layer, await store.accessOfLayer(manifest))),
    licensed: licensed.some(({ redistributable }) => redistributable) ? [] : licensed
  }
}

async function recordsNaming(store: Repository, catalogue: Catalogue, blob: CID): Promise<ModuleRecord[]> {
  const records: ModuleRecord[] = []
  for (const { record } of await catalogue.usersOfBlob(sha256Of(blob)))
    records.push(await store.readRecord(parseCid(record, DAG_JSON, 'index')))
  return records
}

async function unionOf(records: ModuleRecord[]): Promise<Restriction | undefined> {
  if (records.length === 0 || records.some(({ accessGroups }) => accessGroups.length === 0)) return undefined
  const each = await restrictionsOf(records)
  const groups = new Map(each.flatMap(({ groups }) => groups).map(group => [group.gid, group]))
  return {
    module: [...new Set(records.map(formatModuleName))].join(' or '),
    groups: [...groups.values()],
    unknown: [...new Set(each.flatMap(({ unknown }) => unknown))]
  }
}

/** Restriction by file access, for a layer that was captured in a sandbox, or whose module is gone. */
function asOnDisk(layer: CID, { index }: LayerAccess): Restriction | undefined {
  return index === EVERYONE ? undefined : restrictionTo(index, `layer ${formatCid(layer)}`)
}

function restrictionTo(gids: readonly number[], module: string): Restriction {
  const groups = gids.map((gid): Group => {
    const name = groupName(gid)
    return { gid, ...(name !== undefined && { name }) }
  })
  return { module, groups, unknown: [] }
}

/**
 * Another publisher can write a record of any layer, but cannot widen access to files of other owners. So the
 * stricter one counts.
 */
function strictest(byRecords: Restriction | undefined, onDisk: Restriction | undefined): Restriction[] {
  if (byRecords === undefined || onDisk === undefined) return [byRecords ?? onDisk ?? []].flat()
  const isWithin = byRecords.groups.every(({ gid }) => onDisk.groups.some(group => group.gid === gid))
  return isWithin ? [byRecords] : [byRecords, onDisk]
}

/** Layers of one module have the same restriction. */
function unique(restrictions: Restriction[]): Restriction[] {
  const seen = new Map(restrictions.map(restriction => [JSON.stringify(restriction), restriction]))
  return [...seen.values()]
}
