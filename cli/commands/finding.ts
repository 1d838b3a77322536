/** Parts that the commands that look for modules share. */

import { existsSync } from 'node:fs'
import { type Offer, type OfferOptions, offeredModules } from '../../compose/find/index.ts'
import { formatModuleName } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { formatCid, StrataError } from '../../store/values/index.ts'
import type { Context } from '../context/index.ts'
import { ExitStatus } from '../process/index.ts'

export interface Found extends Offer {
  store: Repository
}

/** All modules of the stores; those in the current stack are marked as loaded. */
export async function findModules(context: Context, options: Pick<OfferOptions, 'hidden'>): Promise<Found> {
  const store = await context.openStore()
  return { store, ...(await offeredModules(store, { ...options, loaded: await loadedIn(context, store) })) }
}

/** Users list modules to mend a broken stack. So a fault in the stack is a note, and no module is marked as loaded. */
export async function loadedIn(
  { stackFile, io }: Context,
  store: Repository
): Promise<ReadonlyMap<string, string>> {
  if (!existsSync(stackFile)) return new Map()
  // Loaded only here, because the code that reads stacks takes as long to load as a list of modules takes to read.
  const { loadedVersions } = await import('../../compose/stack/loaded-versions.ts')
  try {
    return await loadedVersions(store, stackFile)
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    io.note(`loaded modules are not marked, because the stack cannot be read: ${error.message}`)
    return new Map()
  }
}

const SHOWN_FAULTS = 5

/**
 * Prints the modules that could not be listed, and makes the command fail. Call it after the result. @throws
 * ExitStatus
 */
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

/** An unknown module may be one that a remote offers. */
export async function namingRemote(store: Repository, word: string, error: unknown): Promise<unknown> {
  if (!(error instanceof StrataError) || error.code !== 'MODULE_UNKNOWN') return error
  const offers = await store.offers()
  const offer = offers.find(({ record }) => {
    const { category, name, version } = record
    return [`${category}/${name}`, name, `${category}/${name}-${version}`].includes(word)
  })
  if (offer === undefined) return error
  const module = formatModuleName(offer.record)
  return new StrataError('MODULE_UNKNOWN', {
    message: `no store has ${module}; remote ${offer.remote.name} offers it`,
    facts: { module, record: formatCid(offer.id), remote: offer.remote.name },
    hint: `compose spider ${module}, or compose pull ${module}`,
    cause: error
  })
}
