import type { Command } from 'commander'
import type { OpenImage } from '../../compose/outputs/index.ts'
import { parsePlatform } from '../../store/oci/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { type Context, ProgressBar } from '../context/index.ts'
import { type RegistryFlags, registrySettings, withRegistryFlags } from './registry-flags.ts'

/** Flags of commands whose target may be an image in a registry. */
export interface OpenImageFlags extends RegistryFlags {
  platform?: string
}

export const withOpenImageFlags = (command: Command): Command =>
  withRegistryFlags(
    command.option(
      '--platform <P>',
      'os/architecture[/variant] of a docker:// image (default: that of this host)'
    )
  )

/** What asks registries is loaded when an image has to be opened. */
export function openImageWith(context: Context, store: Repository, flags: OpenImageFlags): OpenImage {
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
