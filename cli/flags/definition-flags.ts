/** Flags for definition files (spec/definitions.md). */
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { type Command, Option } from 'commander'
import type { DefinitionRequest, HostAccess } from '../../compose/definition/index.ts'
import type { Target } from '../../compose/outputs/index.ts'
import type { Bind } from '../../compose/run/index.ts'
import { StrataError } from '../../store/values/index.ts'
import {
  type Context,
  collect,
  type ProgressBar,
  type RegistryFlags,
  registrySettings
} from '../context/index.ts'
import { usualBounds } from './cache-bounds.ts'

export interface DefinitionFlags extends RegistryFlags {
  buildArg?: string[]
  buildArgFile?: string
  bind?: string[]
  network?: boolean
  hostScripts?: HostAccess
  test?: boolean
  filesWithin?: string
  cache?: boolean
  update?: boolean
  keep?: boolean
  allowPrivileged?: boolean
  workDir?: string
}

export const withDefinitionFlags = (command: Command): Command =>
  command
    .option('--build-arg <K=V>', 'definition: value of a variable (repeatable)', collect)
    .option('--build-arg-file <FILE>', 'definition: values of variables, one on a line')
    .option(
      '--bind <SRC[:DST[:ro]]>',
      'definition: make SRC of the host available at DST (repeatable)',
      collect
    )
    .option('--no-network', 'definition: no network for its scripts')
    .addOption(
      new Option(
        '--host-scripts <ACCESS>',
        'definition: run %pre, %setup and the scripts of SSPEC files on this host, which they may only read, or also write to'
      ).choices(['ro', 'rw'])
    )
    .option('--files-within <DIR>', 'definition: refuse files of this host that are outside of DIR')
    .option('--no-test', 'definition: leave %test out')
    .option('--update', 'definition: run steps again that have network or binds')
    .option('--keep', 'definition: keep the trees if a script fails')
    .option('--work-dir <DIR>', 'definition: folder on a local disk for the trees (default: TMPDIR)')

/** Loads little, as every command loads this file. */
export const definitionRequest = async (
  context: Context,
  file: string,
  flags: DefinitionFlags,
  bar: ProgressBar,
  openTarget: (words: string[]) => Promise<Target>
): Promise<DefinitionRequest> => ({
  file,
  values: parseBuildArguments(flags.buildArg ?? [], flags.buildArgFile),
  binds: await bindsOf(flags.bind ?? []),
  hasNetwork: flags.network !== false,
  hostScripts: flags.hostScripts,
  allowPrivileged: flags.allowPrivileged === true,
  runsTests: flags.test !== false,
  filesWithin: flags.filesWithin === undefined ? undefined : existingFolder(flags.filesWithin),
  usesCache: flags.cache !== false,
  isUpdate: flags.update === true,
  cacheBounds: usualBounds(process.env),
  isKept: flags.keep === true,
  workFolder: flags.workDir ?? tmpdir(),
  epoch: sourceDateEpoch(),
  isOutputOfOthers: true,
  openTarget,
  registry: registrySettings(flags),
  note: text => {
    bar.clear()
    context.io.note(text)
  },
  onProgress: (what, bytes) => bar.update(what, bytes),
  onImport: ({ source, bytesRead, bytesTotal }) => bar.update(source, bytesRead, bytesTotal)
})

/** https://reproducible-builds.org/specs/source-date-epoch/ */
export function sourceDateEpoch(): number | undefined {
  const text = process.env.SOURCE_DATE_EPOCH
  if (text === undefined || text === '') return undefined
  if (/^\d{1,11}$/.test(text)) return Number(text)
  throw new StrataError('USAGE', { message: `SOURCE_DATE_EPOCH=${text}: wanted seconds since 1970` })
}

function existingFolder(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return realpathSync(path)
  throw new StrataError('USAGE', { message: `--files-within ${path}: there is no such folder` })
}

async function bindsOf(texts: string[]): Promise<Bind[]> {
  const { parseBind } = await import('../../compose/run/parse-bind.ts')
  return texts.map(text => parseBind(text, '--bind'))
}

/** @throws StrataError USAGE */
function parseBuildArguments(words: string[], file: string | undefined): Map<string, string> {
  const lines = file === undefined ? [] : readFileSync(file, 'utf8').split('\n')
  const told = lines.map(line => line.trim()).filter(line => line !== '' && !line.startsWith('#'))
  return new Map(
    [...told, ...words].map(word => {
      const cut = word.indexOf('=')
      const name = word.slice(0, Math.max(0, cut)).trim()
      if (/^\w+$/.test(name)) return [name, word.slice(cut + 1)]
      throw new StrataError('USAGE', { message: `--build-arg ${word}: wanted NAME=VALUE` })
    })
  )
}
