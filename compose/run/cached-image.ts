/** A target as an image that `compose run` can start: built once, and kept. */
import { createHash } from 'node:crypto'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { isKept, keptPath, noteSize, noteUse } from '../cache/index.ts'
import { buildImage, prepareImage, type Target } from '../outputs/index.ts'
import { formatLock } from '../stack/index.ts'
import type { RunRoot } from './runtime.ts'

/**
 * The image of a target, from the user's cache or built into it. Its audience is only the user who runs it, unless a
 * lock names another one.
 * @param onBuild called when the image has to be built, then with the number of bytes done
 */
export async function cachedImage(
  store: Repository,
  target: Target,
  onBuild: (bytes: number) => void,
  host: NodeJS.ProcessEnv = process.env,
  audience = 'me'
): Promise<RunRoot> {
  if (target.edits !== undefined)
    throw new StrataError('USAGE', {
      message: `${target.name} is a sandbox, which is run without building an image`
    })
  const purposes = ['build', 'run'] as const
  const options = target.lock === undefined ? { audience, purposes } : { purposes }
  const { composition, lock } = await prepareImage(store, target, options)
  await composition.close()
  const name = createHash('sha256').update(formatLock(lock)).digest('hex')
  const path = keptPath('images', name, host)
  noteUse(name, host)
  const isNew = !isKept('images', path)
  if (isNew) {
    await buildImage(store, target, { ...options, out: path, sync: true, verify: false, onProgress: onBuild })
    noteSize('images', name, host)
  }
  return { kind: 'image', path, kept: { key: name, isNew } }
}
