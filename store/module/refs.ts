/**
 * Refs: which record a name stands for (spec/module.md#refs). `refs/modules/<category>/<name>/<version>` is a file
 * of one line, the id of the record.
 *
 * There is no lock. A ref is made by link(2), which is exclusive, and replaced by rename(2), which is atomic, both
 * from a file that is whole and flushed. Before a record becomes the current one, its id is noted as a file
 * in `refs/history/<category>/<name>/<version>/<id>`. So of two that replace at once, each leaves its note, whoever
 * wins; noting the *old* id on replacing would lose the one that both did not see. A crash in between leaves a note
 * of a record that was never current: it is kept, nothing more.
 */
import type { CID } from 'multiformats/cid'
import { parentOf, type StorePath, storeFolder, TemporaryFile } from '../files/index.ts'
import { formatCid, StrataError } from '../values/index.ts'
import { formatModuleName, type ModuleName } from './name.ts'
import { HISTORY, readRef, refPath } from './ref-file.ts'

export interface WriteRefOptions {
  /** Whether a name that stands for another record may be made to stand for this one. */
  replace: boolean
  /**
   * The record that the publisher has looked at, and nobody else's, is replaced: what another one closed a moment ago
   * must not be opened. `undefined`: there was none. Left out: whatever the name stands for is replaced.
   */
  lookedAt?: CID | undefined
  /**
   * Called when the record stands in the history, before the name stands for it: whether all that it needs is there,
   * and stays (spec/store-layout.md#gc). What it throws is thrown, and the name stands for what it stood for.
   */
  secure?: () => Promise<void>
}

export interface WrittenRef {
  outcome: 'created' | 'same' | 'replaced'
  /** What the name stood for before, when it was replaced and could be read. */
  previous?: CID
}

/**
 * Make a name stand for a record, whose blobs are in the store already. Doing so twice is fine. When this returns,
 * the ref survives a loss of power; after a crash before that, the name stands for what it stood for, or for `cid`.
 * @param root of the store
 * @throws StrataError MODULE_EXISTS if the name stands for another record and is not to be replaced
 * @throws StrataError MANIFEST_INVALID if what is there is no ref and is not to be replaced
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
      continue // somebody was first, just now
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

/** The history tells of the record before as well from when on it was no longer current. */
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
 * The note's time says when the record last became current or ceased to be (spec/module.md#refs). A new file each time:
 * that of another publisher could not be given a new time.
 * @param text why the record is no longer current, where somebody said so; empty otherwise
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
