import type { Command } from 'commander'
import type { CID } from 'multiformats/cid'
import { keepLock } from '../../compose/outputs/index.ts'
import { parseLock } from '../../compose/stack/index.ts'
import { type ConsentFlags, parseConsent } from '../../store/access/index.ts'
import { readIdNames } from '../../store/accounts/index.ts'
import { type ModuleRequest, parseModuleRequest, parseRecordId } from '../../store/module/index.ts'
import { type ImageReference, parseImageAddress } from '../../store/registry/index.ts'
import {
  type ArchiveName,
  archiveHost,
  isArchiveName,
  type Pulled,
  type PulledModule,
  type PullOptions,
  type PullStackOptions,
  parseArchiveName,
  type WantedRecord
} from '../../store/remote/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { formatCid, StrataError } from '../../store/values/index.ts'
import {
  type Context,
  collect,
  contextOf,
  ProgressBar,
  type RegistryFlags,
  registrySettings
} from '../context/index.ts'
import { type LimitFlags, parseLimits, withLimitFlags, withRegistryFlags } from '../flags/index.ts'
import { formatBytes, pulledJson, renderPulled } from '../render/index.ts'

type Wanted = ImageReference | ModuleRequest | ArchiveName | WantedRecord

interface Options extends RegistryFlags, LimitFlags, ConsentFlags {
  replace?: boolean
  lock?: string
}

const EXAMPLES = `
Only what no store has is fetched, and everything is compared with its hash before the name stands for it. A pull that
was interrupted goes on where it was.

Examples:
  compose pull app/vasp
  compose pull registry.example.org/site/app/vasp:6.4
  compose pull baguqeera…           the module of a remote with this record
  compose pull registry.example.org/site/app/vasp@sha256:4f0c…
  compose pull oci-archive:vasp.tar
  compose pull registry.example.org/stacks/vasp:6.4 && compose build vasp.sqfs stack.lock`

export default (program: Command): void => {
  const command = program
    .command('pull WHAT...')
    .summary('fetch modules and locks from a registry')
    .description(
      'Fetch modules from a registry into the store, as they are there: MODULE, RECORD, HOST/REPOSITORY[:TAG|@DIGEST], oci-archive:FILE or oci:FOLDER.'
    )
    .option('--lock <FILE>', 'where a lock is written (default: stack.lock)')
    .option('--replace', 'let the name stand for the fetched module, if it stands for something else')
    .option(
      '--open-to <WHO>',
      'admit everyone or group:G, where the content did not admit them before',
      collect
    )
    .option('--allow-redistribution', 'allow the module to leave the site, where this was not allowed before')
    .option('--drop-acls', 'with --replace: allow that paths lose their ACLs')
  withRegistryFlags(command)
  withLimitFlags(command)
    .addHelpText('after', EXAMPLES)
    .action((words: string[], options: Options, command: Command) =>
      pullAll(contextOf(command), words, options)
    )
}

async function pullAll(context: Context, words: string[], options: Options): Promise<void> {
  const store = await context.openStore()
  const wanted = await Promise.all(
    words.map(async word => ({ word, reference: await parseWanted(store, word) }))
  )
  const pulling: Omit<PullOptions, 'onPlan' | 'onProgress'> = {
    registry: registrySettings(options),
    replace: options.replace === true,
    limits: parseLimits(options),
    consent: parseConsent(options, await readIdNames({}))
  }
  const pulled: PulledModule[] = []
  let lock: string | undefined
  for (const one of wanted) {
    const came = await pullOne(context, store, one, pulling)
    if (came.lock !== undefined) {
      lock = options.lock ?? 'stack.lock'
      await keepLock(came, { name: one.word, file: lock, replace: pulling.replace })
    }
    if (!context.json) for (const module of came.modules) context.io.out(renderPulled(module))
    pulled.push(...came.modules)
  }
  context.result(pulledJson(pulled, lock), () => (lock === undefined ? '' : `${lock} written`))
}

async function pullOne(
  context: Context,
  store: Repository,
  { word, reference }: { word: string; reference: Wanted },
  pulling: PullOptions
): Promise<Pulled> {
  const bar = new ProgressBar(context.io)
  const telling: PullOptions = {
    ...pulling,
    onRemote: ({ remote, refusedBy }) => {
      const why = refusedBy.map(name => `; remote ${name} refuses to say whether it has it`)
      context.io.note(`${word}: taken from remote ${remote}${why.join('')}`)
    },
    onPlan: missing => {
      if (missing > 0) context.io.note(`${word}: ${formatBytes(missing)} to fetch`)
    },
    onProgress: (done, total) => bar.update(word, done, total)
  }
  const modulesOf = (text: string) => parseLock(text, word).modules
  try {
    if ('file' in reference) return await pullFile(store, reference, { ...telling, modulesOf })
    if ('record' in reference) return { modules: [await store.pullRecord(reference, telling)] }
    if ('host' in reference) return await store.pull(reference, { ...telling, modulesOf })
    return { modules: [await store.pullByName(reference, telling)] }
  } finally {
    bar.clear()
  }
}

/** The archive, or the folder of a layout, whichever was named. */
async function pullFile(
  store: Repository,
  { name, ...archive }: ArchiveName,
  options: PullStackOptions
): Promise<Pulled> {
  const { openLayout } = await import('../../store/oci/open-layout.ts')
  const files = await openLayout(archive.file)
  const from = { host: archiveHost(archive), ...(name !== undefined && { name }) }
  return store.pullArchive(files, from, options).finally(() => files.close())
}

/** A word with a host in front is a reference, any other one a module of a remote, also by its short name. */
async function parseWanted(store: Repository, word: string): Promise<Wanted> {
  if (isArchiveName(word)) return parseArchiveName(word)
  if (/^[a-z]+:\/\//.test(word)) return parseImageAddress(word)
  const record = parseRecordId(word)
  if (record !== undefined) return offeredRecord(store, record)
  const [first, ...rest] = word.split('/')
  if (/^[.]{0,2}$/.test(first) && rest.length > 0) throw isFile(word)
  if (rest.length === 0 && /:[0-9]+$/.test(first)) throw isRegistry(word)
  const isHost = rest.length > 0 && (/[.:[]/.test(first) || first === 'localhost')
  if (isHost) return parseImageAddress(`oci://${word}`)
  return rest.length > 0 ? parseModuleRequest(word) : store.parseTypedName(word)
}

/** Registries keep records below the names of their modules, and lists of remotes say which name a record has. */
async function offeredRecord(store: Repository, record: CID): Promise<WantedRecord> {
  const offer = (await store.offers()).find(({ id }) => id.equals(record))
  if (offer !== undefined) return { name: offer.record, record }
  const id = formatCid(record)
  throw new StrataError('MODULE_UNKNOWN', {
    message: `no remote lists record ${id}`,
    facts: { record: id },
    hint: `compose remote update; a record that was replaced: compose pull HOST/PREFIX/CATEGORY/NAME:${id}`
  })
}

const isFile = (word: string): StrataError =>
  new StrataError('REFERENCE_NAME', {
    message: `${word} is the name of a file or folder, wanted a module, HOST/REPOSITORY:TAG or an archive`,
    hint: `compose pull oci-archive:${word}, if compose push wrote it; compose import MODULE ${word} takes tarballs and images`
  })

const isRegistry = (word: string): StrataError =>
  new StrataError('REFERENCE_NAME', {
    message: `${word} is a registry, and names nothing in it`,
    hint: `compose remote add NAME ${word}/PREFIX, then compose avail, lists its modules; compose pull ${word}/REPOSITORY:TAG fetches one`
  })
