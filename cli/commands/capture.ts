import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { isatty } from 'node:tty'
import type { Command } from 'commander'
import { type CaptureRequest, captureModule, parseOwnersWay } from '../../compose/capture/index.ts'
import { isDefinition } from '../../compose/definition/index.ts'
import { openSandboxTarget, resolveTarget, type Target, targetOfImage } from '../../compose/outputs/index.ts'
import { cachedImage, existingRoot } from '../../compose/run/index.ts'
import { moduleSigner } from '../../compose/signing/index.ts'
import { parseConsent } from '../../store/access/index.ts'
import { readIdNames } from '../../store/accounts/index.ts'
import { exists } from '../../store/disk/index.ts'
import {
  type EnvironmentOperation,
  formatModuleName,
  type ModuleName,
  parseImportFlags,
  parseModuleName,
  readSpecFile
} from '../../store/module/index.ts'
import { DEFAULT_LIMITS, StrataError } from '../../store/values/index.ts'
import { type Context, collect, contextOf, ProgressBar, registrySettings } from '../context/index.ts'
import {
  fetchingWith,
  type ModuleFlags,
  type OpenImageFlags,
  sourceDateEpoch,
  withOpenImageFlags,
  withPublishingFlags,
  withSettingFlags
} from '../flags/index.ts'
import type { Io } from '../process/index.ts'
import { importJson, renderImport } from '../render/index.ts'
import { askedBind, endAs, parseVariable } from './start-command.ts'

interface Options extends ModuleFlags, OpenImageFlags {
  from?: string[]
  bind?: string[]
  network?: boolean
  env?: string[]
  cwd?: string
  scrub: boolean
  overlay?: string
  sandbox?: string
  keep?: boolean
  owners: string
  workDir?: string
}

const EXAMPLES = `
CMD runs as root of a writable tree that is made of TARGET: the stack (default), modules, an image, a lock or a
sandbox. Without CMD, a shell starts if there is a terminal. If CMD fails, its exit status is that of compose, and
nothing is published.

Examples:
  compose capture lib/ssh-9.2 --from base/debian --network --allow-privileged -- \\
      sh -c 'apt-get update && apt-get install -y openssh-client'
  compose capture app/tool-1.1 --from tool.sqfs --overlay changes
  compose capture app/tool-1.0 --from base/debian --from mpi/openmpi --bind ~/src/tool:/src -- make -C /src install
  compose capture app/tool-1.0 --sandbox work --from base/debian
  compose capture app/tool-1.0 --sandbox work --replace -- make -C /src install`

export default (program: Command): void => {
  const environment: EnvironmentOperation[] = []
  const command = program
    .command('capture MODULE [CMD...]')
    .usage('[options] MODULE [--from TARGET] [--] [CMD...]')
    .summary('publish what a command installs')
    .description(
      'Run CMD in a writable tree, as root of it and without privileges on this host, and publish what it changed as MODULE, which requires the modules of the tree. Owners, set-id bits, capabilities, ACLs and devices are those that root would have left.'
    )
    .option(
      '--from <TARGET>',
      'the tree to start from: a module, a lock or an image; repeat it for several modules',
      collect
    )
    .option('--bind <SRC[:DST[:ro]]>', 'make SRC of the host available at DST (repeatable)', collect)
    .option('--network', 'let CMD use the network of this host')
    .option('--env <K=V>', 'set an environment variable for CMD (repeatable)', collect)
    .option('--cwd <DIR>', 'folder to start in (default: /)')
    .option('--sandbox <DIR>', 'work in DIR, which is kept; an earlier capture in it is gone on with')
    .option('--overlay <DIR>', 'in place of CMD: the changes that compose run --overlay DIR has kept')
    .option('--no-scrub', 'publish logs, caches and temporary files, too, which differ each time')
    .option('--keep', 'keep the tree for another go, also if CMD fails')
    .option(
      '--owners <HOW>',
      'how owners are kept: subuid, supervised, or auto, which takes the first that works',
      'auto'
    )
    .option('--work-dir <DIR>', 'folder on a local disk for the tree (default: TMPDIR)')
  withSettingFlags(command, environment)
  withPublishingFlags(command)
  withOpenImageFlags(command)
    .addHelpText('after', EXAMPLES)
    .action((module: string, words: string[], options: Options, command: Command) =>
      capture(contextOf(command), parseModuleName(module), { words, options, environment })
    )
}

interface Asked {
  words: string[]
  options: Options
  environment: EnvironmentOperation[]
}

async function capture(context: Context, name: ModuleName, asked: Asked): Promise<void> {
  const { options } = asked
  const command = options.overlay === undefined ? commandOf(asked.words) : []
  assertAlone(asked)
  const settings = await settingsOf(asked)
  const store = await context.openStore()
  const { target, overlay } = await startOf(context, options)
  const bar = new ProgressBar(context.io)
  const report = await captureModule(store, {
    name,
    ...settings,
    target,
    overlay,
    command,
    binds: (options.bind ?? []).map(askedBind),
    hasNetwork: options.network === true,
    added: Object.fromEntries((options.env ?? []).map(parseVariable)),
    workingFolder: options.cwd,
    scrubs: options.scrub,
    epoch: sourceDateEpoch(),
    sandbox: options.sandbox,
    isKept: options.keep === true,
    owners: parseOwnersWay(options.owners),
    workFolder: options.workDir ?? tmpdir(),
    isOutputOfOthers: context.json,
    note: text => context.io.note(text),
    onProgress: (what, bytes) => bar.update(what, bytes)
  }).finally(() => bar.clear())
  const { ended, published, tree } = report
  if (tree !== undefined) context.io.note(`the tree stays in ${tree}`)
  if (published !== undefined) context.result(importJson(published), () => renderImport(published))
  else noteFailure(context.io, name, options)
  endAs(ended)
}

/** Programs such as make only say that their files are not there, so who forgot --bind is told here. */
function noteFailure(io: Io, name: ModuleName, { bind }: Options): void {
  const failed = `the command failed, so ${formatModuleName(name)} is not published`
  const unseen = 'it saw no folder of this host: --bind .:/src --cwd /src would show it this one'
  io.note(bind === undefined ? `${failed}; ${unseen}` : failed)
}

/** What goes into the record, and how it is published. */
async function settingsOf({ options, environment }: Asked) {
  const names = await readIdNames({})
  return {
    flags: parseImportFlags(
      { ...options, environment, accessGroups: options.accessGroup, labels: options.label },
      names
    ),
    spec: options.spec === undefined ? undefined : await readSpecFile(options.spec, names),
    names,
    limits: DEFAULT_LIMITS,
    registry: registrySettings(options),
    ignoreMissing: false,
    replace: options.replace === true,
    startAnew: options.inherit === false,
    consent: parseConsent(options, names),
    sign: options.sign ? moduleSigner(options.key) : undefined
  }
}

function assertAlone({ words, options }: Asked): void {
  if (options.overlay === undefined || (words.length === 0 && options.sandbox === undefined)) return
  throw new StrataError('USAGE', {
    message: `--overlay takes neither a command nor --sandbox: the changes in ${options.overlay} were made before`,
    hint: 'compose capture MODULE --from IMAGE --overlay DIR'
  })
}

/** The changes of a run were made in the image that --from names, or in the one that compose run keeps of a target. */
async function startOf(
  context: Context,
  options: Options
): Promise<Pick<CaptureRequest, 'target' | 'overlay'>> {
  const { overlay, from = [] } = options
  if (overlay === undefined) return { target: await targetOf(context, options) }
  const folder = resolve(overlay)
  const existing = from.length === 1 ? existingRoot(from[0]) : undefined
  if (existing?.kind === 'image') {
    await targetOf(context, options) // refuses images whose layers are gone
    return { overlay: { folder, image: existing.path } }
  }
  if (existing !== undefined)
    throw new StrataError('USAGE', {
      message: `--from ${from[0]}: is a folder; wanted the image or the modules that the program ran in`,
      hint: `compose import MODULE ${from[0]} (publishes the changes in a sandbox)`
    })
  const target = (await targetOf(context, options))!
  const image = await cachedImage(await context.openStore(), target, () => {})
  return { target, overlay: { folder, image: image.path } }
}

async function targetOf(context: Context, options: Options): Promise<Target | undefined> {
  const goesOn = options.sandbox !== undefined && (await exists(options.sandbox))
  if (options.from === undefined && goesOn) return undefined
  const store = await context.openStore()
  const policy = { ...fetchingWith(context, store, options), allowPrivileged: options.allowPrivileged }
  const existing = options.from?.length === 1 ? existingRoot(options.from[0]) : undefined
  if (existing?.kind === 'image') return targetOfImage(store, existing.path, policy)
  for (const word of options.from ?? []) if (isDefinition(word)) throw isToBeBuilt(word)
  return resolveTarget(
    store,
    options.from ?? [],
    context.stackFile,
    directory => openSandboxTarget(store, directory, { checkContents: false }),
    policy
  )
}

const isToBeBuilt = (file: string): StrataError =>
  new StrataError('USAGE', {
    message: `--from ${file}: is a definition, and a capture starts from what a definition was built into`,
    facts: { file },
    hint: `compose build IMAGE.sqfs ${file}, then --from IMAGE.sqfs`
  })

function commandOf(words: string[]): string[] {
  if (words.length > 0) return words
  if (isatty(0)) return ['/bin/sh', '-c', 'test -x /bin/bash && exec /bin/bash -l; exec /bin/sh -l']
  throw new StrataError('USAGE', {
    message: 'there is no CMD, and no terminal for a shell',
    hint: 'compose capture MODULE --from TARGET -- CMD'
  })
}
