/** Checks of every part against its name, and repair from other stores: a part of `compose fsck`. */
import { closeSync } from 'node:fs'
import { DataFile, openPart } from '../contents/index.ts'
import { DATA, PARTS, partPath, type StorePath } from '../files/index.ts'
import type { Part } from '../object/index.ts'
import { type Digest, StrataError } from '../values/index.ts'
import { digestOfPlainFile, filesBelow, strayFile } from './files-on-disk.ts'
import { type FsckRun, NOT_FOUND } from './fsck-run.ts'
import { refetchPart } from './refetch-blob.ts'

/** A part that was damaged or missing, and could not be copied from another store. */
export interface BadPart {
  part: Part
  error: StrataError
  modules: string[]
}

/**
 * Checks each part that a part list names once, however many modules need it. What a part has beyond its bytes is known
 * from lists alone, so parts that no list names are left to the collector.
 * @returns those that may be made again with the objects that need them
 */
export async function checkParts(run: FsckRun): Promise<BadPart[]> {
  const { parts, tarballs } = await listedParts(run)
  const bad: BadPart[] = []
  for (const part of parts.values()) bad.push(...(await checkPart(run, part, tarballs.get(part.sha256)!)))
  for (const file of filesBelow(run.store.root, PARTS))
    if (digestOfPlainFile(file) === undefined)
      run.add(strayFile(run.folder.displayPath(file), 'is not named as a part'), { file, modules: [] })
  return bad
}

/** Reports bad parts, after objects were compiled again. */
export async function reportBadParts(run: FsckRun, bad: BadPart[]): Promise<void> {
  if (bad.length === 0) return
  const { parts: needed } = await listedParts(run)
  for (const { part, error, modules } of bad) {
    const isGone = !needed.has(part.sha256)
    const isRepaired = isGone || (await run.failureOf(async () => assertPart(run, part))) === undefined
    const left = run.options.repair && !isRepaired ? NOT_FOUND : undefined
    run.add(error, { file: partPath(part.sha256), modules, repaired: isRepaired, left })
  }
}

/** The parts of all data files, and the tarballs that need each. Faults of lists are found with their tarballs. */
async function listedParts(
  run: FsckRun
): Promise<{ parts: Map<Digest, Part>; tarballs: Map<Digest, Digest[]> }> {
  const parts = new Map<Digest, Part>()
  const tarballs = new Map<Digest, Digest[]>()
  for (const file of filesBelow(run.store.root, DATA)) {
    const tarball = digestOfPlainFile(file)
    if (tarball === undefined) continue
    for (const part of await partsOf(run, file)) {
      parts.set(part.sha256, part)
      tarballs.set(part.sha256, [...(tarballs.get(part.sha256) ?? []), tarball])
    }
  }
  return { parts, tarballs }
}

async function partsOf(run: FsckRun, file: StorePath): Promise<Part[]> {
  try {
    const data = await DataFile.openIfThere(run.store.root, file)
    await data?.close()
    return data?.list.parts ?? []
  } catch (error) {
    if (error instanceof StrataError) return []
    throw error
  }
}

async function checkPart(run: FsckRun, part: Part, tarballs: Digest[]): Promise<BadPart[]> {
  const file = partPath(part.sha256)
  const error = await run.failureOf(async () => assertPart(run, part))
  if (error === undefined || run.isUnread(error)) return []
  const modules = run.modulesOf(tarballs)
  if (modules.length === 0 && !run.isThere(file)) return [] // a collector may have removed it
  const from = run.options.repair ? await refetchPart(run.store, part) : undefined
  if (from === undefined || (await run.failureOf(async () => assertPart(run, part))) !== undefined)
    return [{ part, error, modules }]
  run.add(error, { file, modules, repaired: true, from })
  return []
}

function assertPart(run: FsckRun, part: Part): void {
  const file = partPath(part.sha256)
  if (run.isThere(file)) run.assertPlain(file)
  const { fd, identity } = openPart(run.store.root, part, 'none')
  closeSync(fd)
  run.intactParts.set(part.sha256, identity)
  run.count(part.lengthBytes)
}
