/**
 * Edits of a sandbox may only go on top of the tree that it was made from. So the tree of its lock is compared with
 * the digest in its record (spec/sandbox.md#lock), because the lock may have been replaced.
 */
import { StrataError } from '../../store/values/index.ts'
import { type MergeOptions, mergeLayers, treeDigest } from '../merge/index.ts'
import { SANDBOX_FOLDER, type SandboxEdits } from '../sandbox/index.ts'
import { mergeParameters } from '../stack/index.ts'
import type { Composition } from './composition.ts'
import type { Target } from './resolve-target.ts'

/** Checks that need no merge. @throws StrataError SANDBOX_INVALID */
export function checkSandboxLock(
  name: string,
  { treeDigest }: SandboxEdits,
  locked: string | undefined
): void {
  if (locked !== undefined) compareSandboxTree(name, { treeDigest }, locked)
}

/**
 * @param found digest of the whole tree; without edits, this is the tree below them
 * @throws StrataError SANDBOX_INVALID
 */
export function checkSandboxBelow(composition: Composition, target: Target, found: string): void {
  const { name, edits, usual } = target
  if (edits === undefined) return
  const below =
    edits.captured === undefined ? found : digestBelow(composition, usual && mergeParameters(usual))
  compareSandboxTree(name, edits, below)
}

/** The digest below the captured layer, which is the last one. */
function digestBelow({ tree }: Composition, options: MergeOptions | undefined): string {
  return treeDigest(mergeLayers(tree.layers.slice(0, -1), options)).toString('hex')
}

/**
 * @param found digest of the layers that the sandbox's lock names
 * @throws StrataError SANDBOX_INVALID
 */
export function compareSandboxTree(
  name: string,
  { treeDigest }: Pick<SandboxEdits, 'treeDigest'>,
  found: string
): void {
  const wanted = treeDigest.toString('hex')
  if (found === wanted) return
  throw new StrataError('SANDBOX_INVALID', {
    message: `${SANDBOX_FOLDER}/lock of ${name} gives a tree with sha256:${found}, but the sandbox was made from one with sha256:${wanted}`,
    facts: { sandbox: name, file: `${SANDBOX_FOLDER}/lock` },
    hint: `restore the lock from which the sandbox was made, or import the directory as it is: compose import MODULE ${name}`
  })
}
