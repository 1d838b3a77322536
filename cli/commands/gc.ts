import type { Command } from 'commander'
import { type CacheBounds, trimCache } from '../../compose/cache/index.ts'
import { DEFAULT_GRACE_SECONDS } from '../../store/gc/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { contextOf } from '../context/index.ts'
import { parseDuration, parseSize, usualBounds } from '../flags/index.ts'
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
    .summary('remove what nothing needs')
    .description(
      'Remove from the store what no module, no module that was replaced or unpublished, and no pin needs. Others may\nimport and build meanwhile. Stores on $COMPOSE_PATH stay as they are.\nWith --cache: from your own cache what compose run has not used for long.'
    )
    .option('-n, --dry-run', 'only tell what would be removed')
    .option(
      '--older-than <TIME>',
      'also what was replaced or unpublished longer ago than this: 90d, 2w; with --cache what was not used for so long (default: 30d)'
    )
    .option(
      '--grace <TIME>',
      'keep what was written or reused since (default: 24h); an import or a build that takes longer may fail'
    )
    .option(
      '--objects',
      'also compiled layers and those packed for OCI layouts, which are made again when they are needed'
    )
    .option('--cache', "instead of the store, your cache of compose run's images; no store is needed")
    .option(
      '--max-size <SIZE>',
      'with --cache: keep at most so much, what was used last (default: $COMPOSE_CACHE_SIZE or 10G)'
    )
    .addHelpText(
      'after',
      '\nExamples:\n  compose gc --dry-run --older-than 90d\n  compose gc --older-than 90d\n  compose gc --cache --max-size 2G'
    )
    .action(async (options: Options, command: Command) => {
      const context = contextOf(command)
      if (options.cache) {
        const report = trimCache(boundsFrom(options), { dryRun: options.dryRun })
        context.result(cacheJson(report), () => renderCache(report))
        return
      }
      if (options.maxSize !== undefined) throw onlyWith('--max-size', '--cache')
      const { dryRun = false, objects = false, olderThan, grace } = options
      const report = await (await context.openStore()).collectGarbage({
        dryRun,
        objects,
        graceSeconds: grace === undefined ? DEFAULT_GRACE_SECONDS : parseDuration(grace, '--grace'),
        ...(olderThan !== undefined && { olderThanSeconds: parseDuration(olderThan, '--older-than') })
      })
      context.result(report, () => renderGc(report))
    })
}

/** @throws StrataError USAGE */
function boundsFrom({ olderThan, maxSize, grace, objects }: Options): CacheBounds {
  if (objects)
    throw new StrataError('USAGE', { message: '--objects is about a store, --cache about your own cache' })
  return {
    ...usualBounds(process.env),
    ...(olderThan !== undefined && { olderThanSeconds: parseDuration(olderThan, '--older-than') }),
    ...(maxSize !== undefined && { mostBytes: parseSize(maxSize, '--max-size') }),
    ...(grace !== undefined && { graceSeconds: parseDuration(grace, '--grace') })
  }
}

const onlyWith = (flag: string, other: string): StrataError =>
  new StrataError('USAGE', {
    message: `${flag} is for ${other} alone`,
    hint: `compose gc ${other} ${flag} 2G`
  })
