import { resolve } from 'node:path'
import type { Command } from 'commander'
import { knownGroup } from '../../store/accounts/index.ts'
import { describeProfile, initStore, openStore } from '../../store/files/index.ts'
import { type Compressor, DEFAULT_PROFILE, type Profile } from '../../store/values/index.ts'
import { contextOf } from '../context/index.ts'
import { parseCount, parseSize } from '../flags/index.ts'

interface Options {
  comp?: string
  level?: string
  block?: string
  group?: string
}

const EXAMPLES = `
Examples:
  compose init /srv/strata --level 9
  compose init /srv/strata --group publishers`

export default (program: Command): void => {
  program
    .command('init [DIR]')
    .summary('make a store')
    .description(
      'Make a store in DIR (default: $COMPOSE_STORE, or $XDG_DATA_HOME/strata). If DIR already is a store, nothing changes; the command fails only if the options ask for other settings than the store has.'
    )
    .option('--comp <zstd|gzip>', `compressor of file contents (default: ${DEFAULT_PROFILE.compressor})`)
    .option('--level <N>', 'compression level (default: 15 for zstd, 9 for gzip)')
    .option('--block <SIZE>', 'bytes of a data block, 4K to 1M (default: 128K)')
    .option(
      '--group <G>',
      'a group whose members may publish in the store; all who can reach DIR can read it'
    )
    .addHelpText('after', EXAMPLES)
    .action(async (folder: string | undefined, options: Options, command: Command) => {
      const context = contextOf(command)
      const root = resolve(folder ?? context.storeFolder)
      const profile = profileFrom(options)
      const group = options.group === undefined ? undefined : knownGroup(options.group, '--group').gid
      const made = await initStore(root, profile, { group, asked: { ...typedProfile(options), group } })
      const store = await openStore({ store: root })
      context.result(
        {
          store: root,
          made,
          profile: store.profile,
          ...(store.group !== undefined && { group: store.group })
        },
        () =>
          made
            ? `store made at ${root} (${describeProfile(profile)})`
            : `${root} is already a store (${describeProfile(store.profile)})`
      )
    })
}

const typedProfile = ({ comp, level, block }: Options): Partial<Profile> => ({
  ...(comp !== undefined && { compressor: comp as Compressor }),
  ...(level !== undefined && { level: parseCount(level, '--level') }),
  ...(block !== undefined && { blockSize: parseSize(block, '--block') })
})

function profileFrom(options: Options): Profile {
  const { compressor = DEFAULT_PROFILE.compressor, ...typed } = typedProfile(options)
  const level = compressor === 'gzip' ? 9 : DEFAULT_PROFILE.level
  return { level, blockSize: DEFAULT_PROFILE.blockSize, ...typed, compressor }
}
