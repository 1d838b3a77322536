/**
 * One process of the race (race.long.test.ts): `ROLE NUMBER STORE ROUNDS END TARBALL...`. Writers do so many rounds, all others
 * something, and go on until the file END is there. What a process finds wrong it throws; at the end it prints what it
 * did as JSON.
 */

import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { readRecord } from '../../../store/contents/read-record.ts'
import { exportLayers } from '../../../store/export/export-module.ts'
import { collectGarbage } from '../../../store/gc/collect-garbage.ts'
import { openObject } from '../../../store/import/layer-object.ts'
import { unpublish } from '../../../store/import/unpublish-module.ts'
import { formatModuleName, parseModuleName } from '../../../store/module/name.ts'
import { readRef } from '../../../store/module/ref-file.ts'
import { listRefs } from '../../../store/module/ref-list.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { formatCid } from '../../../store/values/digest.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto } from '../../helpers/stores.ts'

const [role, number, root, rounds, end, ...tars] = process.argv.slice(2)
const counts: Record<string, number> = {}
const did = (what: string) => {
  counts[what] = (counts[what] ?? 0) + 1
}

const goesOn = (what: string): boolean => !existsSync(end) || (counts[what] ?? 0) === 0

/** The same in each run of a role, so that a failure can be looked for. */
let state = Number(number) * 7919 + 1
function random(below: number): number {
  state = (state * 1103515245 + 12345) % 2 ** 31
  return Math.floor((state / 2 ** 31) * below)
}

const hasCode = (error: unknown, ...codes: string[]): boolean =>
  error instanceof StrataError && codes.includes(error.code)

/** A name of its own, which nobody else changes, and one that all change. */
async function write(store: Repository): Promise<void> {
  const own = parseModuleName(`own/writer-${number}`)
  let mine: string | undefined
  for (let i = 0; i < Number(rounds); i++) {
    const found = readRef(root, own)
    if ((found && formatCid(found)) !== mine)
      throw new Error(`lost update: ${formatModuleName(own)} is ${found}, wanted ${mine}`)
    // The last round publishes, so that there is something to read.
    if (mine !== undefined && i + 1 < Number(rounds) && random(4) === 0) {
      await unpublish(store, own)
      mine = undefined
      did('unpublished')
    } else mine = await publish(store, formatModuleName(own))
    if (i % 3 === 0) await writeShared(store)
  }
  did(`own ${mine ?? 'nothing'}`)
}

async function writeShared(store: Repository): Promise<void> {
  const name = 'all/shared-1'
  if (random(3) === 0) {
    await unpublish(store, parseModuleName(name)).catch(error => {
      if (!hasCode(error, 'MODULE_UNKNOWN')) throw error
    })
    did('unpublished')
    return
  }
  await publish(store, name, { summary: `of ${number}` })
}

/**
 * A collector without a grace period may take away what an import has written, and somebody else may replace a module first:
 * the import is then told to be repeated.
 */
async function publish(
  store: Repository,
  name: string,
  settings: { summary?: string } = {}
): Promise<string> {
  const tar = tars[random(tars.length)]
  for (;;) {
    try {
      const { record } = await importInto(store, name, [tar], { replace: true, settings })
      did('imported')
      return formatCid(record)
    } catch (error) {
      if (!hasCode(error, 'BLOB_MISSING', 'MODULE_EXISTS')) throw error
      did('repeated')
    }
  }
}

/** One drops history, after a grace period longer than any import here takes; the other has no grace period. */
async function collect(store: Repository): Promise<void> {
  for (let i = 0; goesOn('collected'); i++) {
    const isFirst = number === '1'
    try {
      const { freed } = await collectGarbage(store, {
        dryRun: false,
        graceSeconds: isFirst ? GRACE_SECONDS : 0,
        objects: i % 3 === 0,
        ...(isFirst && { olderThanSeconds: 0 })
      })
      did('collected')
      for (const { files } of Object.values(freed)) counts.removed = (counts.removed ?? 0) + files
    } catch (error) {
      if (!hasCode(error, 'STORE_BUSY')) throw error
    }
    await setTimeout(random(100)) // not all the time of the machine
  }
}

const GRACE_SECONDS = 10

/** The record that a name stands for can be read whole; an earlier record may be gone. */
async function read(store: Repository): Promise<void> {
  while (goesOn('read')) {
    const { refs, faults } = listRefs(root)
    if (faults.length > 0) throw faults[0]
    if (refs.length === 0) continue
    const { name, record } = refs[random(refs.length)]
    try {
      const { layers } = await readRecord(store, record)
      for (const layer of layers) await (await openObject(store, layer)).data.close()
      const folder = join(scratch(), 'out')
      await exportLayers(store, layers, folder)
      rmSync(folder, { recursive: true })
      did('read')
    } catch (error) {
      const isStill = readRef(root, name)?.equals(record)
      if (isStill || !hasCode(error, 'BLOB_MISSING')) throw error
      did('gone meanwhile')
    }
  }
}

const store = await openRepository({ store: root, path: '' })
await { write, collect, read }[role as 'write']!(store)
console.log(JSON.stringify(counts))
