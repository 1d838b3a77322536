/**
 * Edits of a sandbox go on top of the tree that it was made from, and of no other: what its lock leads to is compared
 * with the digest in its record (spec/sandbox.md#lock). Somebody may have put another lock there.
 */
import { StrataError } from '../../store/errors.ts'
import { mergeLayers, treeDigest } from '../merge/index.ts'
import { SANDBOX_FOLDER, type SandboxEdits } from '../sandbox/index.ts'
import type { Composition } from './composition.ts'
import type { Target } from './target.ts'

/** What can be said before anything is merged. @throws StrataError SANDBOX_INVALID */
export function checkSandboxLock(
  name: string,
  { treeDigest }: SandboxEdits,
  locked: string | undefined
): void {
  if (locked !== undefined) compare(name, treeDigest, locked)
}

/**
 * @param found of the whole tree: where nothing was edited, that is the tree below
 * @throws StrataError SANDBOX_INVALID
 */
export function checkSandboxBelow(composition: Composition, target: Target, found: string): void {
  const { name, edits, usual } = target
  if (edits === undefined) return
  const below = edits.captured === undefined ? found : digestBelow(composition, usual?.onConflict)
  compare(name, edits.treeDigest, below)
}

/** The captured layer is the last one. */
function digestBelow({ tree }: Composition, onConflict: 'error' | 'upper' | undefined): string {
  return treeDigest(mergeLayers(tree.layers.slice(0, -1), { onConflict })).toString('hex')
}

function compare(name: string, recorded: Buffer, found: string): void {
  const wanted = recorded.toString('hex')
  if (found === wanted) return
  throw new StrataError('SANDBOX_INVALID', {
    message: `${SANDBOX_FOLDER}/lock of ${name} leads to a tree with sha256:${found}, the sandbox was made from one with sha256:${wanted}`,
    facts: { sandbox: name, file: `${SANDBOX_FOLDER}/lock` },
    hint: `put the lock back that it was made with; or compose import MODULE ${name} takes the directory as it is`
  })
}
