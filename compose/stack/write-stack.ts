/** Writes an edited stack: the stack file with its comments, then the lock beside it. */

import { unlink } from 'node:fs/promises'
import { formatRequirement } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import type { ResolvedModule } from '../resolve/index.ts'
import { compressorVersion, IMAGE_FORMAT } from './image-parameters.ts'
import { formatLock, type Lock } from './lock-file.ts'
import { chosenOf, lockFileOf, type OpenStack, readIfThere } from './open-stack.ts'
import type { Slot } from './plan-edit.ts'
import { replaceFile } from './replace-file.ts'

/** The text of the stack with these requests. */
export function textWith({ text, modules }: OpenStack, slots: Slot[]): string {
  const edits = modules.map((_, item) => {
    const slot = slots.find(other => other.item === item)
    return slot && formatRequirement(slot.request)
  })
  const added = slots
    .filter(({ item }) => item === undefined)
    .map(({ request }) => formatRequirement(request))
  return text.edited(edits, added)
}

/**
 * The lock is written second. A crash in between leaves a lock that is out of date, and the next edit corrects it.
 * @param audience the stack's `for`, from the new text
 * @throws StrataError IO if the stack was changed by another process meanwhile; as parseFor
 */
export async function writeStack(
  store: Repository,
  stack: OpenStack,
  text: string,
  modules: ResolvedModule[],
  audience: string | undefined
): Promise<void> {
  const lock = modules.length === 0 ? undefined : await lockOf(store, stack.lock, modules, audience)
  if (text !== stack.original) {
    refuseIfChanged(stack)
    await replaceFile(stack.file, text)
  }
  const file = lockFileOf(stack.file)
  if (lock !== undefined) await replaceFile(file, formatLock(lock))
  else
    await unlink(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
}

function refuseIfChanged({ file, original }: OpenStack): void {
  if (readIfThere(file) === original) return
  throw new StrataError('IO', {
    message: `${file} was changed by another process at the same time`,
    hint: 'run the same command again'
  })
}

/**
 * Image parameters that `compose lock` noted are kept. The tree digest needs a merge, for which an edit does not
 * wait. So it is kept while nothing changes, and otherwise left to `compose lock`.
 */
async function lockOf(
  store: Repository,
  before: Lock | undefined,
  modules: ResolvedModule[],
  audience: string | undefined
): Promise<Lock> {
  const usual = before?.parameters
  const profile = usual?.profile ?? store.profile
  const lock: Lock = {
    modules: modules.map(chosenOf),
    parameters: {
      format: IMAGE_FORMAT,
      profile,
      compressorVersion: compressorVersion(profile.compressor),
      audience: await audienceFor(modules, audience),
      aclModes: usual?.aclModes ?? 'audience',
      onConflict: usual?.onConflict ?? 'error',
      ...(usual?.directories !== undefined && { directories: usual.directories }),
      bare: usual?.bare ?? false
    }
  }
  const isSame =
    before !== undefined &&
    formatLock({ ...before, treeDigest: undefined, imageDigest: undefined }) === formatLock(lock)
  return isSame ? before : lock
}

/** The audience in ids. Most modules admit everyone, and then nothing has to be loaded. */
async function audienceFor(modules: ResolvedModule[], audience: string | undefined): Promise<string> {
  const restricted = modules.filter(({ record }) => record.accessGroups.length > 0)
  if (audience === undefined && restricted.length === 0) return 'everyone'
  const { formatAudience } = await import('../audience/audience.ts')
  if (audience !== undefined) {
    const { parseFor } = await import('../audience/parse-for.ts')
    return formatAudience(await parseFor(audience))
  }
  const { audienceOfModules } = await import('../audience/from-modules.ts')
  return formatAudience(
    (await audienceOfModules(restricted.map(({ name, record }) => ({ ...record, ...name })))).audience
  )
}
