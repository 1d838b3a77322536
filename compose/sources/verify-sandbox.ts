/** `compose verify` of a sandbox: what was changed in it, what it was made from, and who signed that. */
import type { Repository } from '../../store/repository/index.ts'
import { count, formatCid, manifestCid, StrataError, sha256Of } from '../../store/values/index.ts'
import { treeDigest } from '../merge/index.ts'
import {
  addSigners,
  assertSandboxAccepted,
  compareSandboxTree,
  newReport,
  openComposition,
  type VerifyReport
} from '../outputs/index.ts'
import { readSandbox, SANDBOX_FOLDER } from '../sandbox/index.ts'
import { type Lock, mergeParameters, parseLock } from '../stack/index.ts'
import { keptRecord, readKept } from './compose-folder.ts'

/** Every file is hashed. @throws StrataError SANDBOX_INVALID, and for the first other fault */
export async function verifySandbox(store: Repository | undefined, directory: string): Promise<VerifyReport> {
  const report = newReport(directory)
  const edits = readSandbox(directory, { checkContents: true })
  const lock = parseLock(edits.lock.toString('utf8'), `${directory}/${SANDBOX_FOLDER}/lock`)
  const { added, changed, deleted } = edits
  report.checked.push(
    added + changed + deleted === 0
      ? 'all files are as they were written'
      : `all files were compared: ${added} added, ${changed} changed, ${deleted} deleted since it was written`
  )
  if (lock.treeDigest !== undefined) compareSandboxTree(directory, edits, lock.treeDigest)
  const modules = keptModules(directory, lock)
  report.checked.push(`records of ${count(modules.length, 'module')} match their ids`)
  await compareWithLayers(store, directory, lock, report)
  await addSigners(store, modules, report)
  await assertSandboxAccepted(store, directory, lock)
  return report
}

function keptModules(directory: string, lock: Lock) {
  return lock.modules.flatMap(({ name, record }) => {
    if (name === undefined || record === undefined) return []
    const bytes = readRecord(directory, name)
    if (manifestCid(bytes).equals(record)) return [{ name, record, bytes }]
    throw invalid(
      directory,
      name,
      `has id ${formatCid(manifestCid(bytes))}, but the lock has ${formatCid(record)}`
    )
  })
}

function readRecord(directory: string, name: string): Buffer {
  try {
    return readKept(directory, keptRecord(name))
  } catch (cause) {
    throw invalid(directory, name, `cannot be read: ${(cause as Error).message}`, cause)
  }
}

const invalid = (directory: string, module: string, fault: string, cause?: unknown): StrataError =>
  new StrataError('SANDBOX_INVALID', {
    message: `the record of ${module} in ${directory} ${fault}`,
    facts: { sandbox: directory, file: keptRecord(module) },
    hint: `compose build --sandbox NEW ${module} writes a new one`,
    cause
  })

async function compareWithLayers(
  store: Repository | undefined,
  directory: string,
  lock: Lock,
  report: VerifyReport
): Promise<void> {
  const layers = lock.modules.flatMap(({ layers }) => layers)
  const missing = layers.filter(layer => store?.findBlob(sha256Of(layer)) === undefined)
  if (store === undefined || missing.length > 0 || lock.treeDigest === undefined) {
    const why =
      store === undefined ? 'there is no store' : `no store has ${missing.map(formatCid).join(', ')}`
    report.unchecked.push(`that the layers of its lock lead to this tree: ${why}`)
    return
  }
  const { profile } = lock.parameters
  const composition = await openComposition(store, lock.modules, profile, mergeParameters(lock.parameters))
  try {
    compareSandboxTree(directory, { treeDigest: treeDigest(composition.tree) }, lock.treeDigest)
  } finally {
    await composition.close()
  }
  report.checked.push(`the layers of its lock lead to this tree: sha256:${lock.treeDigest}`)
}
