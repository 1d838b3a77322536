/** What the commands that look for modules have in common. */

import { existsSync } from 'node:fs'
import { type Offer, type OfferOptions, offeredModules } from '../../compose/find/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Context, ExitStatus } from '../context/index.ts'

export interface Found extends Offer {
  store: Repository
}

/** What there is, with marks at what the current stack has loaded. */
export async function findModules(context: Context, options: Pick<OfferOptions, 'hidden'>): Promise<Found> {
  const store = await context.openStore()
  return { store, ...(await offeredModules(store, { ...options, loaded: await loadedIn(context, store) })) }
}

/** Looking for modules is the first thing to do about a stack that is wrong: it says so, and marks nothing. */
export async function loadedIn(
  { stackFile, io }: Context,
  store: Repository
): Promise<ReadonlyMap<string, string>> {
  if (!existsSync(stackFile)) return new Map()
  // Only here: what reads stacks takes as long to load as a list of modules to read.
  const { loadedVersions } = await import('../../compose/stack/loaded-versions.ts')
  try {
    return await loadedVersions(store, stackFile)
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    io.note(`loaded modules are not marked: ${error.message}`)
    return new Map()
  }
}

const SHOWN_FAULTS = 5

/** To be called after the result: what could not be listed is told, and is a failure. @throws ExitStatus */
export function tellFaults({ io, json }: Context, faults: StrataError[]): void {
  if (faults.length === 0) return
  if (!json) {
    for (const { message } of faults.slice(0, SHOWN_FAULTS)) io.error(`not listed: ${message}`)
    const rest = faults.length - SHOWN_FAULTS
    if (rest > 0) io.error(`and ${rest} more (--json lists them)`)
  }
  throw new ExitStatus(1)
}

export const faultsJson = (faults: StrataError[]): object[] =>
  faults.map(({ code, message, facts }) => ({ code, message, facts }))
