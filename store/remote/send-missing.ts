/** Sends the blobs that a repository lacks: mounted from another repository if that has them, else uploaded. */
import type { PushedBlob } from '../registry/index.ts'
import { inLanes } from '../values/index.ts'
import type { Destination } from './destination.ts'

export interface SendOptions {
  /** Blobs that are sent side by side. */
  jobs?: number
  /** Called before anything is sent, with the bytes that the registry lacks. */
  onPlan?: (missingBytes: number) => void
  onProgress?: (sentBytes: number, missingBytes: number) => void
}

/** A blob, and repositories of the same registry that may have it. */
export interface MountedBlob extends PushedBlob {
  mayLieIn?: readonly string[]
}

const ASKING_LANES = 8
/** Parts are small, so most of the time goes by until the registry has answered. It is as many connections as there are. */
const SENDING_LANES = 8

/** @returns bytes that were sent; what was mounted does not count @throws StrataError REGISTRY_… */
export async function sendMissing(
  repository: Destination,
  blobs: readonly MountedBlob[],
  { jobs = SENDING_LANES, onPlan, onProgress }: SendOptions
): Promise<number> {
  const missing = await missingOf(repository, blobs)
  const missingBytes = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  onPlan?.(missingBytes)
  const lacking = new Set<string>()
  let doneBytes = 0
  let sentBytes = 0
  await inLanes(missing, jobs, async blob => {
    if (!(await mount(repository, blob, lacking))) {
      await repository.sendBlob(blob)
      sentBytes += blob.sizeBytes
    }
    doneBytes += blob.sizeBytes
    onProgress?.(doneBytes, missingBytes)
  })
  return sentBytes
}

/** @param lacking repositories that did not have a blob: they are not asked for others */
async function mount(
  repository: Destination,
  { digest, mayLieIn = [] }: MountedBlob,
  lacking: Set<string>
): Promise<boolean> {
  for (const from of mayLieIn) {
    if (lacking.has(from)) continue
    if (await repository.mountBlob(digest, from)) return true
    lacking.add(from)
  }
  return false
}

/**
 * Each blob is asked for, in the order in which they are sent. But a repository without tags has at most what a push left
 * behind that was killed, and that began with the first ones: if none of these is there, nothing is.
 */
export async function missingOf<T extends Omit<PushedBlob, 'chunks'>>(
  repository: Destination,
  blobs: readonly T[]
): Promise<T[]> {
  const missing = new Set<T>()
  const ask = (some: readonly T[]) =>
    inLanes(some, ASKING_LANES, async blob => {
      if (!(await repository.hasBlob(blob))) missing.add(blob)
    })
  const [first, rest] = [blobs.slice(0, ASKING_LANES), blobs.slice(ASKING_LANES)]
  await ask(first)
  const isNew = rest.length > 0 && missing.size === first.length && !(await repository.hasTags())
  if (isNew) return [...blobs]
  await ask(rest)
  return blobs.filter(blob => missing.has(blob))
}
