import { openSandboxTarget, resolveTarget } from '../../compose/outputs/index.ts'
import { cachedImage, type Runnable, runnableOf } from '../../compose/run/index.ts'
import { type Context, ProgressBar } from '../context/index.ts'
import { fetchingWith, type OpenImageFlags } from '../flags/index.ts'

export interface Opened {
  runnable: Runnable
  /** That of the file, or what the target is called. */
  name: string
}

/** A stack, a lock or modules, whose image is built into the user's cache unless it is there. */
export async function openTarget(
  context: Context,
  target: string[],
  flags: OpenImageFlags,
  audience?: string
): Promise<Opened> {
  const store = await context.openStore()
  const resolved = await resolveTarget(
    store,
    target,
    context.stackFile,
    directory => openSandboxTarget(store, directory, { checkContents: false }),
    fetchingWith(context, store, flags)
  )
  const bar = new ProgressBar(context.io)
  let done = 0
  const onBuild = (bytes: number) => {
    done += bytes
    bar.update(resolved.name, done)
  }
  const image = await cachedImage(store, resolved, onBuild, process.env, audience).finally(() => bar.clear())
  return { runnable: await runnableOf(image), name: resolved.name }
}
