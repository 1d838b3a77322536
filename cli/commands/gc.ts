import type { Command } from 'commander'
import { type CacheBounds, trimCache } from '../../compose/cache/index.ts'
import { DEFAULT_GRACE_SECONDS } from '../../store/gc/index.ts'
import { parseDuration, StrataError } from '../../store/values/index.ts'
import { type Context, contextOf } from '../context/index.ts'
import { parseSize, usualBounds } from '../flags/index.ts'
import { cacheJson, renderCache, renderGc } from '../render/index.ts'

interface Options {
  dryRun?: boolean
  olderThan?: string
  grace?: string
  objects?: boolean
  cache?: boolean
  maxSize?: string
}

export default (program: Command): void => {
  program
    .command('gc')
    .summary('remove unneeded files from the store, or from your cache')
    .description(
      'Remove files from the store that nobody needs: no module, no pin, and no earlier record of a module that was replaced or unpublished. Imports and builds may run at the same time. Stores on $COMPOSE_PATH are not changed.\nWith --cache: remove images of compose run, and steps of definitions, from your own cache that were not used for long.'
    )
    .option('-n, --dry-run', 'print what would be removed, and remove nothing')
    .option(
      '--older-than <TIME>',
      'also remove records that were replaced or unpublished longer ago (90d, 2w); with --cache: entries not used for so long (default: 30d)'
    )
    .option(
      '--grace <TIME>',
      'keep files written or reused since then (default: 24h); an import or build that takes longer may fail'
    )
    .option(
      '--objects',
      'also remove compiled layers and layers packed for OCI layouts; they are made again when needed'
    )
    .option('--cache', 'clean your cache of images and steps of definitions, not the store')
    .option(
      '--max-size <SIZE>',
      'with --cache: remove the entries not used for longest until this size is left (default: $COMPOSE_CACHE_SIZE or 10G)'
    )
    .addHelpText(
      'after',
      '\nExamples:\n  compose gc --dry-run --older-than 90d\n  compose gc --older-than 90d\n  compose gc --cache --max-size 2G'
    )
    .action((options: Options, command: Command) => {
      const context = contextOf(command)
      if (options.cache) cleanCache(context, options)
      else return cleanStore(context, options)
    })
}

function cleanCache(context: Context, options: Options): void {
  const report = trimCache(boundsFrom(options), { dryRun: options.dryRun })
  context.result(cacheJson(report), () => renderCache(report))
}

async function cleanStore(context: Context, options: Options): Promise<void> {
  const { dryRun = false, objects = false, olderThan, grace, maxSize } = options
  if (maxSize !== undefined) throw onlyWith('--max-size', '--cache')
  const store = await context.openStore()
  const report = await store.collectGarbage({
    dryRun,
    objects,
    graceSeconds: grace === undefined ? DEFAULT_GRACE_SECONDS : parseDuration(grace, '--grace'),
    ...(olderThan !== undefined && { olderThanSeconds: parseDuration(olderThan, '--older-than') })
  })
  context.result(report, () => renderGc(report))
}

/** @throws StrataError USAGE */
function boundsFrom({ olderThan, maxSize, grace, objects }: Options): CacheBounds {
  if (objects)
    throw new StrataError('USAGE', {
      message: '--objects belongs to a store, and --cache to your own cache: give only one of them'
    })
  return {
    ...usualBounds(process.env),
    ...(olderThan !== undefined && { olderThanSeconds: parseDuration(olderThan, '--older-than') }),
    ...(maxSize !== undefined && { mostBytes: parseSize(maxSize, '--max-size') }),
    ...(grace !== undefined && { graceSeconds: parseDuration(grace, '--grace') })
  }
}

const onlyWith = (flag: string, other: string): StrataError =>
  new StrataError('USAGE', {
    message: `${flag} works only together with ${other}`,
    hint: `compose gc ${other} ${flag} 2G`
  })
