import { resolve } from 'node:path'
import type { Command } from 'commander'
import { knownGroup } from '../../store/access/host-groups.ts'
import { type Compressor, DEFAULT_PROFILE, type Profile } from '../../store/object/profile.ts'
import { describeProfile, initStore } from '../../store/store.ts'
import { contextOf } from '../command.ts'
import { parseSize } from '../sizes.ts'

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
    .description('Make a store in DIR (default: $COMPOSE_STORE, or strata below $XDG_DATA_HOME).')
    .option('--comp <zstd|gzip>', `compressor of its objects (default: ${DEFAULT_PROFILE.compressor})`)
    .option('--level <N>', 'its level (default: 15 for zstd, 9 for gzip)')
    .option('--block <SIZE>', 'bytes of a data block, 4K to 1M', '128K')
    .option('--group <G>', 'a group whose members publish there; whoever may look there reads')
    .addHelpText('after', EXAMPLES)
    .action(async (folder: string | undefined, options: Options, command: Command) => {
      const context = contextOf(command)
      const root = resolve(folder ?? context.storeFolder)
      const profile = profileFrom(options)
      const group = options.group === undefined ? undefined : knownGroup(options.group, '--group').gid
      const made = await initStore(root, profile, { group })
      context.result({ store: root, made, profile, ...(group !== undefined && { group }) }, () =>
        made ? `store made at ${root} (${describeProfile(profile)})` : `${root} is a store already`
      )
    })
}

function profileFrom({ comp, level, block }: Options): Profile {
  const compressor = (comp ?? DEFAULT_PROFILE.compressor) as Compressor
  const usualLevel = compressor === 'gzip' ? 9 : DEFAULT_PROFILE.level
  return {
    compressor,
    level: level === undefined ? usualLevel : Number(level),
    blockSize: block === undefined ? DEFAULT_PROFILE.blockSize : parseSize(block, '--block')
  }
}
