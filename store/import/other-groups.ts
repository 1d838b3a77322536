/**
 * The ids in a record decide who may read a module. So a group that is another one here would be given what was closed
 * for it (spec/registry.md#pull).
 */
import { admits, type Consent } from '../access/index.ts'
import { hostGroup } from '../accounts/index.ts'
import { type AccessGroup, formatModuleName, type ModuleRecord } from '../module/index.ts'
import { StrataError } from '../values/index.ts'

/** @throws StrataError ACCESS_GROUP; IO if the host cannot be asked */
export function refuseOtherGroups(record: ModuleRecord, consent: Consent): void {
  for (const group of record.accessGroups)
    if (group.name !== undefined && group.gid !== undefined) refuseOtherId(record, group.name, group.gid)
    else refuseHalfNamed(record, group, consent)
}

function refuseOtherId(record: ModuleRecord, name: string, gid: number): void {
  const [here, other] = [hostGroup(name)?.gid ?? gid, hostGroup(String(gid))?.name ?? name]
  if (here === gid && other === name) return
  const fault = here === gid ? `gid ${gid} is ${other} here` : `${name} is gid ${here} here`
  const module = formatModuleName(record)
  throw new StrataError('ACCESS_GROUP', {
    message: `${module} is for group ${name} with gid ${gid}, and ${fault}`,
    facts: { module, group: name, gid },
    hint: `where it comes from: compose export ${module} DIR --internal; here: compose import ${module} DIR/layer.tar --access-group GROUP, with --acl DIR/layer.acl in which the gids are those of this site`
  })
}

/** Half of a group cannot be compared, so only users can say that the group of this host is the one that is meant. */
function refuseHalfNamed(record: ModuleRecord, { name, gid }: AccessGroup, consent: Consent): void {
  const here = hostGroup(name ?? String(gid))
  if (here === undefined || admits(consent, here.gid)) return
  const module = formatModuleName(record)
  const said = name === undefined ? `gid ${gid}, without a name,` : `group ${name}, without a gid,`
  const found = name === undefined ? `gid ${gid} is ${here.name} here` : `${name} is gid ${here.gid} here`
  throw new StrataError('ACCESS_GROUP', {
    message: `${module} is for ${said} and ${found}: it may be another group where the module comes from`,
    facts: { module, ...(name !== undefined && { group: name }), gid: here.gid },
    hint: `compose pull ${module} --open-to group:${here.name}, if that group may have it`
  })
}
