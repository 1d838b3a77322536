import type { Command } from 'commander'
import type { OpenImage, PullMissing } from '../../compose/outputs/index.ts'
import { parseModuleName } from '../../store/module/index.ts'
import { parsePlatform } from '../../store/oci/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { count, DEFAULT_LIMITS, formatCid, StrataError } from '../../store/values/index.ts'
import { type Context, ProgressBar, type RegistryFlags, registrySettings } from '../context/index.ts'
import { formatBytes } from '../render/index.ts'
import { withRegistryFlags } from './registry-flags.ts'

/** Flags of commands whose target may be an image in a registry. */
export interface OpenImageFlags extends RegistryFlags {
  platform?: string
  offline?: boolean
}

export const withOpenImageFlags = (command: Command): Command =>
  withRegistryFlags(
    command
      .option('--platform <P>', 'os/architecture[/variant] of a docker:// image (default: that of this host)')
      .option('--offline', 'ask no registry, and refuse what is not there')
  )

/** How a target may get what no store has. */
export const fetchingWith = (
  context: Context,
  store: Repository,
  flags: OpenImageFlags
): { openImage: OpenImage; pullMissing: PullMissing } => ({
  openImage: openImageWith(context, store, flags),
  pullMissing: pullMissingWith(context, store, flags)
})

const isOffline = (what: string): StrataError =>
  new StrataError('MODULE_UNKNOWN', {
    message: `no store has ${what}, and --offline asks no registry`,
    hint: 'the same command without --offline'
  })

/** Says what is fetched, and how much, before it begins. */
function pullMissingWith(context: Context, store: Repository, flags: OpenImageFlags): PullMissing {
  return async missing => {
    if (flags.offline) throw isOffline(missing.map(({ name }) => name).join(', '))
    const offers = new Map((await store.offers()).map(offer => [formatCid(offer.id), offer]))
    const sizes = missing.map(({ record }) => offers.get(formatCid(record!))?.dataBytes)
    const total = sizes.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0)
    const most = total === 0 ? '' : `, at most ${formatBytes(total)}`
    context.io.note(
      `${count(missing.length, 'module')} to pull${most}: ${missing.map(({ name }) => name).join(', ')}`
    )
    for (const { name, record } of missing) {
      const bar = new ProgressBar(context.io)
      const options = { registry: registrySettings(flags), replace: false, limits: DEFAULT_LIMITS }
      const { receivedBytes, notes } = await store
        .pullRecord(
          { name: parseModuleName(name!), record: record! },
          { ...options, onProgress: (done, all) => bar.update(name!, done, all) }
        )
        .finally(() => bar.clear())
      for (const note of [`${name} pulled, ${formatBytes(receivedBytes)} fetched`, ...notes])
        context.io.note(note)
    }
  }
}

/** What asks registries is loaded when an image has to be opened. */
function openImageWith(context: Context, store: Repository, flags: OpenImageFlags): OpenImage {
  if (flags.offline)
    return address => {
      throw isOffline(address)
    }
  const platform = flags.platform === undefined ? undefined : parsePlatform(flags.platform, '--platform')
  return async (address, wanted) => {
    const { imageOpener } = await import('../../compose/sources/image-module.ts')
    const bar = new ProgressBar(context.io)
    const open = imageOpener(store, {
      registry: registrySettings(flags),
      platform,
      onProgress: ({ source, bytesRead, bytesTotal }) => bar.update(source, bytesRead, bytesTotal),
      onNotes: notes => {
        bar.clear()
        for (const note of notes) context.io.note(note)
      }
    })
    return open(address, wanted).finally(() => bar.clear())
  }
}
