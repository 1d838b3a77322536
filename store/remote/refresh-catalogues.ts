/**
 * Asks remotes anew what they offer, if it is long ago, before their offers count (spec/registry.md#catalogue). A remote that
 * is down, or slow, delays a command by some seconds at most, and the next commands not at all.
 */
import { setMaxListeners } from 'node:events'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cachePath, ownCacheFolder } from '../disk/index.ts'
import type { RegistrySettings } from '../registry/index.ts'
import { parseDuration, StrataError } from '../values/index.ts'
import { FOLDER, fileName } from './catalogue.ts'
import type { Remote } from './remotes.ts'

export interface Asking {
  registry: RegistrySettings
  /** Takes what users should know, a line at a time. */
  note(text: string): void
}

const USUAL_AGE_SECONDS = 24 * 3600
/** After a failure, others are tried first. */
const NEXT_TRY_SECONDS = 3600
/** For all remotes together. */
const MOST_MS = 10_000
/** As undici calls it. */
const LATE = Object.assign(new Error('late'), { code: 'UND_ERR_ABORTED' })

/** @throws StrataError USAGE for a COMPOSE_REMOTE_AGE that is no length of time */
export async function refreshCatalogues(
  remotes: readonly Remote[],
  { registry, note }: Asking
): Promise<void> {
  const ageSeconds = ageFrom(registry.environment)
  const old = remotes.filter(
    remote => isOlder(fileName(remote), ageSeconds) && isOlder(tried(remote), NEXT_TRY_SECONDS)
  )
  if (old.length === 0) return
  const over = new AbortController()
  setMaxListeners(0, over.signal) // one for each request
  const timer = setTimeout(() => over.abort(LATE), MOST_MS)
  try {
    for (const remote of old) await refresh(remote, { registry: { ...registry, signal: over.signal }, note })
  } finally {
    clearTimeout(timer)
  }
}

async function refresh(remote: Remote, { registry, note }: Asking): Promise<void> {
  try {
    // First, so that of many commands at once few ask.
    writeFileSync(join(ownCacheFolder(FOLDER), tried(remote)), '', { mode: 0o600 })
    const { updateCatalogue } = await import('./update-catalogue.ts')
    const { notes } = await updateCatalogue(remote, registry)
    for (const one of notes) note(`${remote.name}: ${one}`)
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    const isKnown = !isOlder(fileName(remote), Infinity)
    const instead = isKnown ? 'what it offered before counts' : 'nothing of it is known'
    note(
      `remote ${remote.name} does not say what it offers, and ${instead}: ${error.message}; compose remote update ${remote.name} asks again`
    )
  }
}

const tried = (remote: Remote): string => `${fileName(remote)}.tried`

/** True also for a file that is not there. */
function isOlder(name: string, seconds: number): boolean {
  const { mtimeMs } = statSync(join(cachePath(FOLDER), name), { throwIfNoEntry: false }) ?? {}
  return mtimeMs === undefined || Date.now() - mtimeMs > seconds * 1000
}

function ageFrom({ COMPOSE_REMOTE_AGE: age }: NodeJS.ProcessEnv): number {
  if (!age) return USUAL_AGE_SECONDS
  return age === 'never' ? Infinity : parseDuration(age, 'COMPOSE_REMOTE_AGE')
}
