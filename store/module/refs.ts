/**
 * Refs name the record of a module (spec/module.md#refs): `refs/modules/<category>/<name>/<version>` is a file of one
 * line, the id of the record.
 *
 * There is no lock. A ref is made by link(2), which is exclusive, and replaced by rename(2), which is atomic, both from
 * a file that is whole and flushed. Before a record becomes the current one, its id is noted as a file in
 * `refs/history/<category>/<name>/<version>/<id>`. So if two publishers replace a ref at once, each leaves a note,
 * whoever wins; if each noted the *old* id, the record that lost would have no note. A crash in between leaves a note
 * of a record that was never current, which does no harm.
 */
import type { CID } from 'multiformats/cid'
import { parentOf, type StorePath, storeFolder, TemporaryFile } from '../files/index.ts'
import { formatCid, StrataError } from '../values/index.ts'
import { formatModuleName, type ModuleName } from './name.ts'
import { HISTORY, readRef, refPath } from './ref-file.ts'

export interface WriteRefOptions {
  /** True if the name may be moved from another record to this one. */
  replace: boolean
  /**
   * Only this record, which the publisher has looked at, may be replaced: access that somebody else restricted a moment
   * ago must not be opened again. `undefined`: there was none. Left out: any record is replaced.
   */
  lookedAt?: CID | undefined
  /**
   * Called after the record is noted in the history and before the name stands for it. It checks that everything the
   * record needs is there and stays (spec/store-layout.md#gc). Its errors are passed on, and the ref is not changed.
   */
  secure?: () => Promise<void>
}

export interface WrittenRef {
  outcome: 'created' | 'same' | 'replaced'
  /** The replaced record, if it could be read. */
  previous?: CID
}

/**
 * Makes a name stand for a record whose blobs are already in the store. Doing so twice is fine. When this returns, the
 * ref survives a loss of power; after an earlier crash, the name stands for its old record or for `cid`.
 * @param root of the store
 * @throws StrataError MODULE_EXISTS if the name stands for another record and must not be replaced
 * @throws StrataError MANIFEST_INVALID if the file is not a ref and must not be replaced
 */
export async function writeRef(
  root: string,
  name: ModuleName,
  cid: CID,
  options: WriteRefOptions
): Promise<WrittenRef> {
  const { replace, lookedAt, secure = async () => {} } = options
  const replaceCurrent = (previous?: CID) => replaceRef(root, name, { cid, previous, secure })
  for (;;) {
    const current = currentRef(root, name, replace)
    if (current === undefined) {
      await noteHistory(root, name, cid)
      await secure()
      if (await createRef(root, name, cid)) return { outcome: 'created' }
      continue // another publisher was faster
    }
    if (current === BROKEN) return replaceCurrent()
    if (current.equals(cid)) {
      await storeFolder(root).settle(parentOf(refPath(name)))
      return { outcome: 'same' }
    }
    if (!replace) throw alreadyPublished(name, current, cid)
    if ('lookedAt' in options && !(lookedAt?.equals(current) ?? false)) throw replacedMeanwhile(name, current)
    return replaceCurrent(current)
  }
}

const BROKEN = Symbol('a ref that cannot be read')

/** A ref that cannot be read stops a publisher, unless it is to be replaced. */
function currentRef(root: string, name: ModuleName, replace: boolean): CID | typeof BROKEN | undefined {
  try {
    return readRef(root, name)
  } catch (error) {
    if (replace && error instanceof StrataError && error.code === 'MANIFEST_INVALID') return BROKEN
    throw error
  }
}

async function createRef(root: string, name: ModuleName, cid: CID): Promise<boolean> {
  const file = await lineFile(root, cid)
  try {
    return await file.publish(refPath(name))
  } finally {
    await file.discard()
  }
}

/** Also notes in the history when the former record ceased to be current. */
async function replaceRef(
  root: string,
  name: ModuleName,
  { cid, previous, secure }: { cid: CID; previous?: CID; secure: () => Promise<void> }
): Promise<WrittenRef> {
  if (previous !== undefined) await noteHistory(root, name, previous)
  await noteHistory(root, name, cid)
  await secure()
  const file = await lineFile(root, cid)
  try {
    await file.replace(refPath(name))
  } finally {
    await file.discard()
  }
  return { outcome: 'replaced', ...(previous === undefined ? {} : { previous }) }
}

async function lineFile(root: string, cid: CID): Promise<TemporaryFile> {
  const file = TemporaryFile.create(root)
  try {
    await file.handle.writeFile(`${formatCid(cid)}\n`)
    return file
  } catch (error) {
    await file.discard()
    throw error
  }
}

/**
 * The time of a note says when the record last became current, or ceased to be (spec/module.md#refs). Each note is a
 * new file, because another publisher's file could not be given a new time.
 * @param text reason why the record is no longer current, if one was given; empty otherwise
 */
export async function noteHistory(root: string, name: ModuleName, cid: CID, text = ''): Promise<void> {
  const note = TemporaryFile.create(root)
  try {
    await note.handle.writeFile(text)
    await note.replace(`${historyFolder(name)}/${formatCid(cid)}`)
  } finally {
    await note.discard()
  }
}

export const historyFolder = ({ category, name, version }: ModuleName): StorePath =>
  `${HISTORY}/${category}/${name}/${version}`

const alreadyPublished = (name: ModuleName, current: CID, cid: CID): StrataError =>
  new StrataError('MODULE_EXISTS', {
    message: `${formatModuleName(name)} is published already, with other content`,
    facts: { module: formatModuleName(name), published: formatCid(current), new: formatCid(cid) },
    hint: `publish under another version, or --replace (${formatCid(current)} stays reachable by its id)`
  })

const replacedMeanwhile = (name: ModuleName, current: CID): StrataError =>
  new StrataError('MODULE_EXISTS', {
    message: `somebody else has just published ${formatModuleName(name)}`,
    facts: { module: formatModuleName(name), published: formatCid(current) },
    hint: `compose show ${formatModuleName(name)}, and do it again if it should still be replaced`
  })
