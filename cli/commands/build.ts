import type { Command } from 'commander'
import { isDefinition, loadBuilder } from '../../compose/definition/index.ts'
import type { ImageForm } from '../../compose/inspect/index.ts'
import { LAYER_COMPRESSIONS, type LayerCompression } from '../../compose/oci/index.ts'
import {
  type BuildReport,
  buildImage,
  buildOci,
  buildSandbox,
  buildTar,
  type OpenSandbox,
  openSandboxTarget,
  planBuild,
  refuseOtherFile,
  resolveTarget,
  type Target,
  type TargetPolicy
} from '../../compose/outputs/index.ts'
import { IdNames } from '../../store/accounts/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { count, DEFAULT_LIMITS, StrataError, showPath } from '../../store/values/index.ts'
import { type Context, contextOf, ProgressBar } from '../context/index.ts'
import {
  type DefinitionFlags,
  definitionRequest,
  fetchingWith,
  type ImageFlags,
  imageOptions,
  noteModules,
  type OpenImageFlags,
  withDefinitionFlags,
  withImageFlags,
  withOpenImageFlags
} from '../flags/index.ts'
import { dataOutput, type Io } from '../process/index.ts'
import {
  buildJson,
  layoutJson,
  planJson,
  renderBuild,
  renderLayout,
  renderPlan,
  renderSandbox,
  renderTar,
  sandboxJson,
  tarJson
} from '../render/index.ts'

interface Options extends ImageFlags, OpenImageFlags, DefinitionFlags {
  sandbox?: string
  format?: string
  tag: string
  layerComp: string
  cache: boolean
  internal?: boolean
  sync: boolean
  verify?: boolean
  dryRun?: boolean
  verbose?: boolean
  recordOnly?: boolean
  checkContents?: boolean
  allowPrivileged?: boolean
}

const EXAMPLES = `
TARGET is the stack (default), modules, a lock, a layer hash list (a file or -), a sandbox, a tarball, an image
in a registry, a definition file of Apptainer, a Dockerfile, or an SSPEC file.

Examples:
  compose build vasp.sqfs base/debian mpi/openmpi app/vasp --for group:vasp
  compose build vasp.sqfs stack.lock
  compose build --dry-run vasp.sqfs base/debian app/vasp
  compose list --layers | compose build vasp.sqfs -
  compose build --sandbox ./vasp base/debian app/vasp
  compose build edited.sqfs ./vasp
  compose build debian.sqfs docker://debian:12
  compose build vasp.sif stack.lock
  compose build tool.sqfs tool.def --build-arg VERSION=1.2
  compose build ./vasp-oci base/debian app/vasp --format oci --tag vasp:6.4
  compose build - stack.lock --format tar | ssh elsewhere tar --acls --xattrs -xpf - -C root

Formats: squashfs, one image file that container runtimes can start; sif, the same image in a SIF file, which
Apptainer can inspect, sign and push; oci, an OCI image layout with one layer
for each layer of the stack; tar, the merged tree as one tarball.`

export default (program: Command): void => {
  const command = withImageFlags(
    program
      .command('build [OUT] [TARGET...]')
      .summary('link modules into an image, or write a sandbox')
      .description(
        'Build the image file OUT from TARGET: an immutable SquashFS image, or the format that --format names.\nWith --sandbox, write a directory that you can edit.'
      )
  )
    .option('--sandbox <DIR>', 'write the merged tree to this directory, not to OUT')
    .option(
      '--format <FORMAT>',
      `what OUT is: ${Object.keys(FORMATS).join(', ')} (default: sif if its name ends with .sif, else squashfs)`
    )
    .option('--tag <NAME>', 'oci: name of the image in the layout', 'latest')
    .option('--layer-comp <HOW>', `oci: compression of the layers: ${LAYER_COMPRESSIONS.join(', ')}`, 'zstd')
    .option(
      '--no-cache',
      'definition: run every step again; oci: do not use or fill the cache of packed layers in the store'
    )
    .option('--internal', 'oci, tar: allow modules that must not leave the site (the output stays here)')
    .option('--no-sync', 'do not wait until the output is on the disk')
    .option('--dry-run', 'print what would be built, who could read it, and what prevents it; write nothing')
    .option('--verify', 'check the hash of all input, and print the hash of the image')
    .option(
      '--record-only',
      'sandbox: record owners, ACLs and attributes in .compose, and do not set them (file systems without them)'
    )
    .option(
      '--check-contents',
      'TARGET is a sandbox: find changes by hashing every file, not by size and time'
    )
    .option('--allow-privileged', 'TARGET is a tarball: keep set-id files of root, devices and capabilities')
    .option('--verbose', 'list paths and do not only count them')
  withDefinitionFlags(command)
  withOpenImageFlags(command)
    .addHelpText('after', EXAMPLES)
    .action((out: string | undefined, words: string[], options: Options, command: Command) =>
      buildAsked(contextOf(command), out, words, options)
    )
}

/** With `--sandbox` there is no OUT, so the word in its place is the first word of the target. */
async function buildAsked(context: Context, out: string | undefined, words: string[], options: Options) {
  const { sandbox, dryRun } = options
  const format = options.format ?? (out?.endsWith('.sif') ? 'sif' : 'squashfs')
  const build = FORMATS[format]
  if (build === undefined)
    throw new StrataError('USAGE', {
      message: `--format ${format} is unknown: wanted one of ${Object.keys(FORMATS).join(', ')}`
    })
  const target = sandbox === undefined || out === undefined ? words : [out, ...words]
  // Before the scripts of a definition run.
  if (sandbox === undefined && out !== undefined) refuseOtherFile(out, format)
  if (dryRun) return toNothing(context, target, options)
  if (sandbox !== undefined) return toSandbox(context, sandbox, target, options)
  if (out !== undefined) return build(context, out, target, options)
  throw new StrataError('USAGE', {
    message: 'OUT, the file to write, is missing',
    hint: 'compose build OUT.sqfs [TARGET...]'
  })
}

type Build = (context: Context, out: string, words: string[], options: Options) => Promise<void>

const FORMATS: Record<string, Build> = {
  squashfs: (...asked) => toImage('squashfs', ...asked),
  sif: (...asked) => toImage('sif', ...asked),
  oci: toLayout,
  tar: toTar
}

/** Opens the target, and notes which of its modules are deprecated. */
async function openTarget(context: Context, words: string[], options: Options) {
  const { checkContents = false, allowPrivileged, verbose = false, dryRun: isDryRun = false } = options
  const store = await context.openStore()
  const openSandbox: OpenSandbox = directory =>
    openSandboxTarget(store, directory, { checkContents, isDryRun })
  const policy: TargetPolicy = { allowPrivileged, isDryRun, ...fetchingWith(context, store, options) }
  const open = (target: string[], more: TargetPolicy = {}) =>
    resolveTarget(store, target, context.stackFile, openSandbox, { ...policy, ...more })
  const openDefinition = (file: string) => openDefined(context, store, file, options, target => open(target))
  const target = await open(words, { openDefinition })
  await noteModules(context.io, store, target.modules)
  notePrivileged(context.io, target, verbose)
  return { store, target }
}

/** Loads what builds definitions only for a definition. */
async function openDefined(
  context: Context,
  store: Repository,
  file: string,
  options: Options,
  open: (words: string[]) => Promise<Target>
): Promise<Target | undefined> {
  if (!isDefinition(file)) return undefined
  if (options.dryRun)
    throw new StrataError('USAGE', {
      message: `--dry-run: what ${file} builds is only known when its scripts have run`,
      hint: 'compose build OUT, or leave --dry-run out'
    })
  const bar = new ProgressBar(context.io)
  const request = await definitionRequest(context, file, options, bar, open)
  const names = new IdNames()
  const { definitionTarget } = await loadBuilder()
  return definitionTarget(store, { names, limits: DEFAULT_LIMITS }, request).finally(() => bar.clear())
}

const PATHS_NAMED = 3

/** Set-id files, devices and capabilities that a user made in a sandbox are kept, so the user is told about them. */
function notePrivileged(io: Io, { name, edits }: Target, verbose: boolean): void {
  const found = edits?.privileged ?? []
  if (found.length === 0) return
  const named = verbose ? found : found.slice(0, PATHS_NAMED)
  const paths = named.map(({ path, why }) => `/${showPath(path)} (${why})`)
  const more = found.length > named.length ? [`${found.length - named.length} more`] : []
  const what = count(
    found.length,
    'set-id file, device or capability',
    'set-id files, devices or capabilities'
  )
  io.note(`the changes in ${name} bring ${what}: ${[...paths, ...more].join(', ')}`)
}

/** Runs `work` with a callback that counts bytes for a progress bar. */
async function withProgress<T>(
  { io }: Context,
  label: string,
  work: (onProgress: (bytes: number) => void) => Promise<T>
): Promise<T> {
  const bar = new ProgressBar(io)
  let done = 0
  const onProgress = (bytes: number) => {
    done += bytes
    bar.update(label, done)
  }
  return work(onProgress).finally(() => bar.clear())
}

async function toImage(form: ImageForm, ...[context, out, words, options]: Parameters<Build>): Promise<void> {
  if (out === '-')
    throw new StrataError('USAGE', {
      message:
        'OUT is -, but an image cannot go to standard output, because it is not written from start to end',
      hint: 'compose build FILE.sqfs, or compose build - --format tar'
    })
  const { store, target } = await openTarget(context, words, options)
  const report: BuildReport = await withProgress(context, out, onProgress =>
    buildImage(store, target, {
      ...imageOptions(options),
      out,
      form,
      sync: options.sync,
      verify: options.verify === true,
      onProgress
    })
  )
  context.result(buildJson(report), () => renderBuild(report, options.verbose === true))
}

async function toLayout(context: Context, out: string, words: string[], options: Options): Promise<void> {
  const compression = options.layerComp as LayerCompression
  if (!LAYER_COMPRESSIONS.includes(compression))
    throw new StrataError('USAGE', {
      message: `--layer-comp ${compression} is unknown: wanted one of ${LAYER_COMPRESSIONS.join(', ')}`
    })
  checkTag(options.tag)
  if (options.comp !== undefined)
    context.io.note(
      `--comp ${options.comp} is about the data of the store; readers of the layout see --layer-comp ${compression}`
    )
  const { store, target } = await openTarget(context, words, options)
  const report = await withProgress(context, out, onProgress =>
    buildOci(store, target, {
      ...imageOptions(options),
      ...outputOptions(options),
      out,
      tag: options.tag,
      compression,
      cache: options.cache,
      onProgress
    })
  )
  context.result(layoutJson(report), () => renderLayout(report, options.verbose === true))
}

async function toTar(context: Context, out: string, words: string[], options: Options): Promise<void> {
  const isStream = out === '-'
  if (isStream && context.json)
    throw new StrataError('USAGE', {
      message: '--json and the tarball cannot both go to standard output',
      hint: 'compose build FILE.tar --format tar --json'
    })
  const { store, target } = await openTarget(context, words, options)
  const report = await withProgress(context, out, onProgress =>
    buildTar(store, target, {
      ...imageOptions(options),
      ...outputOptions(options),
      out: isStream ? dataOutput() : out,
      onProgress
    })
  )
  const text = () => renderTar(out, report, options.verbose === true)
  if (isStream) context.io.note(text())
  else context.result(tarJson(out, report), text)
}

const LEAVING: Record<string, string> = { oci: 'an OCI image', tar: 'a tarball' }

async function toNothing(context: Context, words: string[], options: Options): Promise<void> {
  const { store, target } = await openTarget(context, words, options)
  const plan = await planBuild(store, target, {
    ...imageOptions(options),
    ...(options.sandbox === undefined && { leaving: LEAVING[options.format ?? ''] }),
    internal: options.internal === true,
    verify: options.verify === true
  })
  context.result(planJson(plan), () => renderPlan(plan, options.verbose === true))
}

const outputOptions = ({ sync, verify, internal }: Options) => ({
  sync,
  verify: verify === true,
  internal: internal === true
})

/**
 * Registries and runtimes accept such a name after a colon or an at sign: `vasp`, `site/vasp:6.4` (OCI image-spec,
 * annotations.md).
 */
function checkTag(tag: string): void {
  if (/^[A-Za-z0-9]+([-._:@/+][A-Za-z0-9]+|--[A-Za-z0-9]+)*$/.test(tag) && tag.length <= 255) return
  throw new StrataError('USAGE', {
    message: `--tag ${JSON.stringify(tag)} is not a reference name: letters, digits and single separators -._:@/+ between them`,
    hint: '--tag vasp:6.4'
  })
}

async function toSandbox(
  context: Context,
  directory: string,
  words: string[],
  options: Options
): Promise<void> {
  const { store, target } = await openTarget(context, words, options)
  const bar = new ProgressBar(context.io)
  const report = await buildSandbox(store, target, {
    ...imageOptions(options),
    directory,
    verify: options.verify === true,
    recordOnly: options.recordOnly === true,
    onProgress: bytes => bar.update(directory, bytes)
  }).finally(() => bar.clear())
  context.result(sandboxJson(report), () => renderSandbox(report, options.verbose === true))
}
