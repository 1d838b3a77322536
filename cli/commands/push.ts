import type { Command } from 'commander'
import { LAYER_COMPRESSIONS, type LayerCompression } from '../../compose/oci/index.ts'
import {
  isFileName,
  isLockFile,
  type PushImageOptions,
  type PushPlace,
  parsePushTarget,
  pushImage,
  pushLock,
  resolveTarget,
  unmetRequirements
} from '../../compose/outputs/index.ts'
import { refuseNotRedistributable } from '../../store/access/index.ts'
import { formatModuleName, type ModuleName, type ModuleRecord } from '../../store/module/index.ts'
import {
  type ArchiveWriter,
  archiveHost,
  isArchiveName,
  isOnSite,
  parseArchiveName,
  parsePrefix,
  type Remote,
  type RemotePrefix,
  readRemotes,
  versionsThere
} from '../../store/remote/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import {
  type Context,
  contextOf,
  ProgressBar,
  type RegistryFlags,
  registrySettings
} from '../context/index.ts'
import { fetchingWith, parseCount, withRegistryFlags } from '../flags/index.ts'
import {
  pushedImageJson,
  pushedModulesJson,
  renderPushedImage,
  renderPushedModules
} from '../render/index.ts'

interface Options extends RegistryFlags {
  all?: boolean
  internal?: boolean
  replace?: boolean
  jobs?: string
  image?: boolean
  layerComp?: string
}

const EXAMPLES = `
A module goes to HOST/PREFIX/category/name, with its version as the tag; compose pull fetches it. The name of a remote
(compose remote) stands for its HOST/PREFIX. A lock goes to HOST/REPOSITORY:TAG (default: latest) with all its modules and
an image that podman and others run; REMOTE/REPOSITORY:TAG is below the HOST/PREFIX of a remote. An image file is kept as it is, as an artifact with one file. apptainer pull oras://HOST/REPOSITORY:TAG fetches a SIF file. What the registry
has is not sent again. oci-archive:FILE in the place of HOST/… writes the same into a file, and oci:FOLDER into a folder,
for machines without a network between them. What is not for everyone is refused by a repository that everybody can read.

Examples:
  compose push app/vasp-6.4 lib/fftw registry.example.org/site
  compose push --all registry.example.org/site
  compose push stack.lock registry.example.org/stacks/vasp:6.4
  compose push vasp.sqfs registry.example.org/images/vasp:6.4
  compose push stack.lock oci-archive:vasp.tar
  compose push vasp.sif registry.example.org/images/vasp:6.4-sif`

export default (program: Command): void => {
  const command = program
    .command('push WHAT...')
    .summary('put modules, a lock or an image file into a registry')
    .description(
      'Send modules, a lock with all its modules, or an image file to a registry. The last word says where to.'
    )
    .option('--all', 'send all modules of the store; the only word says where to')
    .option('--internal', 'allow modules that must not leave the site (the registry stays here)')
    .option('--replace', 'let the tag stand for this from now on, if it stands for something else')
    .option('-j, --jobs <N>', 'blobs to send side by side (default: 8)')
    .option('--no-image', 'a lock: send no image that other engines can run')
    .option(
      '--layer-comp <HOW>',
      "a lock: compression of the image's layers: gzip, zstd, none (default: gzip)"
    )
  withRegistryFlags(command)
    .addHelpText('after', EXAMPLES)
    .action(async (words: string[], options: Options, command: Command) => {
      const context = contextOf(command)
      const to = words.at(-1)!
      const what = words.slice(0, -1)
      if (what.length === 0 && options.all !== true)
        throw new StrataError('USAGE', {
          message: `wanted what to push, and where to behind it: there is one word, ${to}`,
          hint: 'compose push MODULE… HOST/PREFIX, compose push IMAGE HOST/REPOSITORY:TAG, or compose push --all HOST/PREFIX'
        })
      const send = (archive?: ArchiveWriter) => sendAny(context, what, to, { ...options, archive })
      await (isArchiveName(to) ? intoArchive(context, to, options, send) : send())
    })
}

async function sendAny(context: Context, what: string[], to: string, options: Sending): Promise<void> {
  const isFile = what.length === 1 && options.all !== true && (await isFileName(what[0]))
  if (!isFile) return sendModules(context, what, to, options)
  const store = await context.openStoreIfMade()
  const remotes = (await store?.remotes()) ?? readRemotes([])
  const place = parsePushTarget(to, remotes)
  const internal = options.internal === true || isOnSite(remotes, place)
  const sending = { ...options, internal }
  if (await isLockFile(what[0])) await sendLock(context, what[0], { to, place }, sending)
  else await sendImage(context, what[0], { to, place }, { ...sending, searched: store?.searched ?? [] })
}

/** The archive has its name when all is in it. */
async function intoArchive(
  context: Context,
  to: string,
  { replace = false }: Options,
  send: (archive: ArchiveWriter) => Promise<void>
): Promise<void> {
  const store = await context.openStore()
  const archive = await store.createArchive(parseArchiveName(to), { replace })
  try {
    await send(archive)
    await archive.finish()
  } finally {
    await archive.close()
  }
}

/** Options, and an archive in the place of a registry. */
interface Sending extends Options {
  archive: ArchiveWriter | undefined
}

/** What was typed, and what it stands for. */
interface SentTo {
  to: string
  place: PushPlace
}

async function sendImage(
  context: Context,
  image: string,
  { to, place }: SentTo,
  options: Sending & Pick<PushImageOptions, 'searched'>
): Promise<void> {
  const bar = new ProgressBar(context.io)
  const pushed = await pushImage(image, place, {
    ...commonOptions(options),
    searched: options.searched,
    onProgress: (done, total) => bar.update(to, done, total)
  })
    .catch(error => {
      throw notAnImage(error, image)
    })
    .finally(() => bar.clear())
  context.result(pushedImageJson(pushed), () => renderPushedImage(pushed))
}

/** Whoever pushes a tarball or a folder wants a module of it. */
const notAnImage = (error: unknown, file: string): unknown =>
  error instanceof StrataError && error.code === 'IMAGE_INVALID'
    ? new StrataError(error.code, {
        message: error.message,
        facts: error.facts,
        hint: `an image, a lock or modules can be pushed; compose import MODULE ${file} makes a module of a tarball or folder`,
        cause: error
      })
    : error

async function sendLock(
  context: Context,
  path: string,
  { to, place }: SentTo,
  options: Sending
): Promise<void> {
  const { layerComp = 'gzip' } = options
  if (!LAYER_COMPRESSIONS.includes(layerComp as LayerCompression))
    throw new StrataError('USAGE', {
      message: `--layer-comp ${layerComp} is unknown: wanted one of ${LAYER_COMPRESSIONS.join(', ')}`
    })
  const store = await context.openStore()
  const noSandbox = async () => {
    throw new StrataError('USAGE', { message: `${path} is a sandbox, wanted a lock` })
  }
  const fetching = fetchingWith(context, store, options)
  const target = await resolveTarget(store, [path], context.stackFile, noSandbox, fetching)
  const bar = new ProgressBar(context.io)
  const pushed = await pushLock(
    store,
    target,
    { path, place },
    {
      ...commonOptions(options),
      ...jobsOf(options),
      ...(options.image !== false && { layers: layerComp as LayerCompression }),
      onProgress: (done, total) => bar.update(to, done, total)
    }
  ).finally(() => bar.clear())
  context.result(pushedImageJson(pushed), () => renderPushedImage(pushed))
}

const jobsOf = ({ jobs }: Options) => (jobs === undefined ? {} : { jobs: parseCount(jobs, '--jobs') })

async function sendModules(context: Context, what: string[], to: string, options: Sending): Promise<void> {
  const store = await context.openStore()
  const remotes = await store.remotes()
  const prefix = remotePrefix(remotes, to) ?? (isArchiveName(to) ? modulesInArchive(to) : parsePrefix(to))
  const isInternal = (from: string) =>
    options.internal === true || isOnSite(remotes, { ...prefix, repository: prefix.path }, from)
  const modules = options.all ? await allModules(store) : what
  const found = await Promise.all(
    modules.map(async name => {
      const one = await store.findRecord(name)
      return { ...one, licensed: await store.readRecord(one.record) }
    })
  )
  refuseKept(
    found.map(({ licensed, store: from }) => ({ licensed, isInternal: isInternal(from.root) })),
    { isAll: options.all === true, to }
  )
  await store.refuseWithdrawn(found.map(({ name, record }) => ({ name: formatModuleName(name), record })))
  const pushed = []
  for (const { name, record, store: from } of found) {
    const [bar, shown] = [new ProgressBar(context.io), formatModuleName(name)]
    const one = await store
      .pushModule(record, prefix, {
        ...commonOptions({ ...options, internal: isInternal(from.root) }),
        ...jobsOf(options),
        onProgress: (done, total) => bar.update(shown, done, total)
      })
      .finally(() => bar.clear())
    if (!context.json) context.io.out(renderPushedModules([one]))
    pushed.push(one)
  }
  context.result(pushedModulesJson(pushed), () => '')
  const records = found.map(({ licensed }) => licensed)
  await tellUnmet(context, records, { to, prefix }, options)
}

/** Notes what the modules require and their new place does not have. */
async function tellUnmet(
  context: Context,
  records: ModuleRecord[],
  { to, prefix }: { to: string; prefix: RemotePrefix },
  options: Sending
): Promise<void> {
  const { archive } = options
  const there = (name: Pick<ModuleName, 'category' | 'name'>) =>
    archive ? Promise.resolve([]) : versionsThere(prefix, name, registrySettings(options))
  const way = archive ? 'name it in the same push' : 'push it there, too'
  for (const { module, requirement } of await unmetRequirements(records, there))
    context.io.note(`${module} requires ${requirement}, which ${to} does not have: ${way}`)
}

/** @returns undefined if no name of a remote was typed @throws StrataError USAGE for one that is unknown */
function remotePrefix(remotes: readonly Remote[], to: string): RemotePrefix | undefined {
  const remote = remotes.find(({ name }) => name === to)
  if (remote !== undefined || remotes.length === 0 || !/^[a-zA-Z0-9_-]+$/.test(to) || to === 'localhost')
    return remote?.prefix
  throw new StrataError('USAGE', {
    message: `there is no remote ${to}`,
    facts: { remotes: remotes.map(({ name }) => name) },
    hint: 'the name of a remote, or HOST/PREFIX, stands last'
  })
}

/** Before anything is sent. @throws StrataError NOT_REDISTRIBUTABLE that says how the others are sent */
function refuseKept(
  modules: { licensed: ModuleRecord; isInternal: boolean }[],
  { isAll, to }: { isAll: boolean; to: string }
): void {
  const kept = modules.flatMap(({ licensed, isInternal }) => (isInternal ? [] : [licensed]))
  try {
    refuseNotRedistributable(kept, 'what a registry has')
  } catch (error) {
    if (!(error instanceof StrataError) || !isAll) throw error
    const others = modules.filter(({ licensed, isInternal }) => isInternal || licensed.redistributable)
    const names = others.slice(0, SHOWN_NAMES).map(({ licensed }) => formatModuleName(licensed))
    const rest = others.length > SHOWN_NAMES ? ' …' : ''
    throw new StrataError(error.code, {
      message: error.message,
      facts: error.facts,
      hint: `${error.hint}; compose push ${names.join(' ')}${rest} ${to} sends the others`,
      cause: error
    })
  }
}

const SHOWN_NAMES = 10

/** Each module has its own name in an archive. @throws StrataError USAGE */
function modulesInArchive(to: string): RemotePrefix {
  const { name, ...archive } = parseArchiveName(to)
  const host = archiveHost(archive)
  if (name === undefined) return { host, path: '' }
  throw new StrataError('USAGE', {
    message: `${to} names something in the archive, but modules get their names from their own`,
    hint: `compose push MODULE… ${host}`
  })
}

const commonOptions = (options: Sending) => ({
  registry: registrySettings(options),
  internal: options.internal === true,
  replace: options.replace === true,
  ...(options.archive && { archive: options.archive })
})

/** Full names, so that each stands for itself. */
async function allModules(store: Repository): Promise<string[]> {
  const { modules } = await store.alone().catalogue().modules()
  return modules.map(({ name }) => formatModuleName(name))
}
