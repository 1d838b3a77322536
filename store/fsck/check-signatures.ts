/** Checks of `refs/signatures`, and of modules against the policies: a part of `compose fsck`. */
import { findBlob, readWholeBlob } from '../contents/index.ts'
import { formatModuleName, listRefs } from '../module/index.ts'
import { judgeParts, readTrust } from '../policy/index.ts'
import { readSignature, signatureFiles } from '../signatures/index.ts'
import { formatCid, StrataError, sha256Of } from '../values/index.ts'
import type { FsckRun } from './fsck-run.ts'

export async function checkSignatures(run: FsckRun): Promise<void> {
  for (const { path, record } of signatureFiles(run.store.root)) {
    const error = await run.failureOf(async () => {
      if (record === undefined)
        throw notASignature(run.folder.displayPath(path), 'is not named as a signature')
      run.assertPlain(path)
      if (findBlob(run.store, sha256Of(record)) === undefined || run.badBlobs.has(sha256Of(record))) return
      const checked = readSignature(run.store.root, path, await readWholeBlob(run.store, sha256Of(record)))
      if (checked?.fault !== undefined)
        throw notASignature(checked.file, `is not a signature of ${formatCid(record)}: ${checked.fault}`)
    })
    if (error !== undefined && !run.wasCollected(undefined, path)) run.add(error, { file: path, modules: [] })
  }
  await checkPolicies(run)
}

/** A key that is revoked leaves modules behind that nobody may use any more. */
async function checkPolicies(run: FsckRun): Promise<void> {
  const trust = await readTrust([run.store])
  if (trust.policies.length === 0) return
  for (const { name, record } of listRefs(run.store.root).refs) {
    if (run.badBlobs.has(sha256Of(record))) continue
    const module = formatModuleName(name)
    const failure = await run.failureOf(async () => {
      const [{ verdicts }] = await judgeParts(run.store, trust, [{ name: module, record, layers: [] }])
      for (const { error } of verdicts) if (error !== undefined) throw error
    })
    if (failure !== undefined) run.add(failure, { modules: [module] })
  }
}

const notASignature = (file: string, fault: string): StrataError =>
  new StrataError('SIGNATURE_INVALID', { message: `${file} ${fault}` })
