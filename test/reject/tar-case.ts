import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { buildImage } from '../../compose/outputs/build-image.ts'
import { buildSandbox } from '../../compose/outputs/build-sandbox.ts'
import type { ImportModuleReport } from '../../store/import/import-module.ts'
import { formatModuleName } from '../../store/module/name.ts'
import type { ImportSettings } from '../../store/module/settings.ts'
import type { ErrorCode } from '../../store/values/errors.ts'
import { DEFAULT_LIMITS, type Limits } from '../../store/values/limits.ts'
import { refusedLater } from '../helpers/refused.ts'
import { importInto } from '../helpers/stores.ts'
import type { RejectCase } from './case.ts'
import type { Room } from './room.ts'

export interface TarCase
  extends Pick<RejectCase, 'name' | 'reference' | 'expect' | 'needsRoot' | 'program' | 'isSlow'> {
  /** One archive a layer, bottom to top. */
  archives: (Uint8Array | ((room: Room) => Uint8Array))[]
  /** Listings beside it. */
  acl?: string | Uint8Array
  attributes?: string | Uint8Array
  settings?: Partial<ImportSettings>
  limits?: Partial<Limits>
  /** Paths that the built sandbox must hold, relative to it. */
  holds?: string[]
  /** The import succeeds, but the merge refuses the tree. */
  refusedBuild?: ErrorCode
  lacks?: string[]
  check?: (report: ImportModuleReport, room: Room) => void
}

let published = 0

/** An import by the library; what is taken is built into a sandbox, and once also into an image. */
export const tarCase = ({
  archives,
  acl,
  attributes,
  settings,
  limits,
  holds,
  lacks,
  refusedBuild,
  check,
  ...about
}: TarCase): RejectCase => ({
  ...about,
  async attack(room) {
    const sources = archives.map((archive, i) =>
      room.write(`hostile-${i}.tar`, typeof archive === 'function' ? archive(room) : archive)
    )
    const report = await importInto(room.store, `base/hostile-${++published}`, sources, {
      settings,
      limits: { ...DEFAULT_LIMITS, ...limits },
      ...(acl !== undefined && { aclFile: room.write('hostile.acl', acl) }),
      ...(attributes !== undefined && { attributesFile: room.write('hostile.xattrs', attributes) })
    })
    if (refusedBuild !== undefined) {
      await refusedLater(buildBoth(report, room), refusedBuild, /./)
      return
    }
    await buildBoth(report, room)
    for (const path of holds ?? []) assert.ok(isThere(room, path), `${path} is not in the sandbox`)
    for (const path of lacks ?? []) assert.not(isThere(room, path), `${path} is in the sandbox`)
    check?.(report, room)
  }
})

const isThere = (room: Room, path: string): boolean =>
  lstatSync(join(room.target, path), { throwIfNoEntry: false }) !== undefined

export async function buildBoth({ name, record, layers }: ImportModuleReport, room: Room): Promise<void> {
  const target = {
    name: 'hostile',
    modules: [{ name: formatModuleName(name), record, layers: layers.map(({ id }) => id) }]
  }
  if (room.extent !== 'quick')
    await buildImage(room.store, target, { out: room.file('hostile.sqfs'), sync: false, verify: true })
  await buildSandbox(room.store, target, { directory: room.target, verify: false, recordOnly: false })
}

type Rest = Partial<Omit<TarCase, 'name' | 'archives' | 'expect'>>

/** A row of a table: what is wrong, the archive, what must happen, and what else there is to say. */
export type TarRow = [
  name: string,
  archive: TarCase['archives'][number],
  expect: RejectCase['expect'],
  rest?: Rest
]

export const tarCases = (rows: TarRow[]): RejectCase[] =>
  rows.map(([name, archive, expect, rest]) => tarCase({ name, archives: [archive], expect, ...rest }))
