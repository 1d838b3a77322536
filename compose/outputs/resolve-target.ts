/** The target of `compose build`: the stack, modules, a lock, a layer list, a sandbox, or a tarball. */

import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { IdNames } from '../../store/accounts/index.ts'
import { AS_IT_IS } from '../../store/import/index.ts'
import { openTarStream } from '../../store/input/index.ts'
import type { RangedRequest } from '../../store/module/index.ts'
import { isImageAddress } from '../../store/registry/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { DEFAULT_LIMITS, formatCid, StrataError, systemWords } from '../../store/values/index.ts'
import { describeImage, openImage, undescribed } from '../inspect/index.ts'
import { resolveStack } from '../resolve/index.ts'
import type { SandboxEdits } from '../sandbox/index.ts'
import { IMAGE_MAGIC } from '../squashfs/index.ts'
import {
  type ChosenModule,
  chosenOf,
  groupBareLayers,
  type ImageParameters,
  type Lock,
  looksLikeLayerList,
  looksLikeLock,
  parseLayerList,
  parseLock,
  resolveStackFile
} from '../stack/index.ts'
import { fetchMissing, type ImagePolicy, imageModule, isWhole, notWithoutWriting } from './image-target.ts'

export interface Target {
  /** Name for messages. */
  name: string
  modules: ChosenModule[]
  /** A lock fixes the image parameters and the expected digests. */
  lock?: Lock
  /** Value of `for` in a stack file, in the form of `--for`. */
  audience?: string
  /** Parameters with which a sandbox was made; defaults for those that are not given. */
  usual?: ImageParameters
  /** The changes in a sandbox. */
  edits?: SandboxEdits
}

/** Opens a sandbox directory as a target. */
export type OpenSandbox = (directory: string) => Promise<Pick<Target, 'modules' | 'usual' | 'edits'>>

export interface TargetPolicy extends ImagePolicy {
  /** Builds a definition file; undefined for a file of another kind. */
  openDefinition?(file: string): Promise<Target | undefined>
  /** Accept a tarball with set-id files of root, devices or capabilities. */
  allowPrivileged?: boolean
}

/** A larger file cannot be a lock or list. */
const MAX_TEXT_BYTES = 16 << 20
const SNIFFED_BYTES = 4096

/**
 * @param words as typed; without words, the stack file is the target
 * @param stackFile read only if there are no words
 * @throws StrataError, also PRIVILEGED for a tarball with privileges that the user did not allow
 */
export async function resolveTarget(
  store: Repository,
  words: string[],
  stackFile: string,
  openSandbox: OpenSandbox,
  policy: TargetPolicy = {}
): Promise<Target> {
  if (words.length === 0) return stackTarget(store, stackFile, policy)
  if (words.length === 1 && /\.ya?ml$/.test(words[0])) return stackTarget(store, words[0], policy)
  if (words.some(isImageAddress)) return { name: words[0], modules: [await imageModule(words, policy)] }
  if (words.length === 1) {
    const file = await fileTarget(store, words[0], openSandbox, policy)
    if (file !== undefined) return file
  }
  for (const word of words) await refuseFileName(word, words.length)
  const requests = await Promise.all(words.map(word => store.parseTypedRequest(word)))
  const modules = await chosenModules(store, requests)
  await fetchMissing(store, modules, policy)
  return { name: words.join(' '), modules }
}

async function stackTarget(store: Repository, stackFile: string, policy: TargetPolicy): Promise<Target> {
  const { modules: resolved, audience } = await resolveStackFile(store, stackFile)
  const modules = resolved.map(chosenOf)
  await fetchMissing(store, modules, policy)
  return { name: stackFile, modules, audience }
}

export async function chosenModules(store: Repository, requests: RangedRequest[]): Promise<ChosenModule[]> {
  const resolved = await resolveStack(store, requests)
  return resolved.map(chosenOf)
}

const looksLikeFile = (word: string): boolean =>
  /^[./]/.test(word) || /\.(lock|tar|list|txt|sqfs|sif|squashfs|def|sspec)(\.\w+)?$/.test(word)

/** True for a word that names a file and not a module: by its form, or because there is a file of this name. */
export const isFileName = async (word: string): Promise<boolean> =>
  looksLikeFile(word) ||
  (await stat(word).then(
    status => status.isFile(),
    () => false
  ))

/** Among several words, each is a module. @throws StrataError USAGE for the name of a file */
async function refuseFileName(word: string, words: number): Promise<void> {
  if (words === 1 || !looksLikeFile(word)) return
  throw new StrataError('USAGE', {
    message: `${word} is the name of a file, and a TARGET of several words consists of modules`,
    hint: 'name modules alone, or one file; the file that is to be written stands before them'
  })
}

/** Undefined when the word names no file: then it is a module. */
async function fileTarget(
  store: Repository,
  word: string,
  openSandbox: OpenSandbox,
  policy: TargetPolicy
): Promise<Target | undefined> {
  if (word === '-') return streamTarget(store, 'standard input', process.stdin, policy)
  const status = await stat(word).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  if (status === undefined) {
    if (looksLikeFile(word))
      throw new StrataError('IO', {
        message: `${word}: no such file`,
        facts: { file: word, errno: 'ENOENT' },
        hint: 'TARGET is a file, a sandbox or modules; a file that is to be written stands first'
      })
    return undefined
  }
  if (status.isDirectory()) return directoryTarget(word, openSandbox)
  const defined = await policy.openDefinition?.(word)
  if (defined !== undefined) return defined
  return streamTarget(store, word, createReadStream(word, { highWaterMark: 1 << 20 }), policy)
}

async function directoryTarget(word: string, openSandbox: OpenSandbox): Promise<Target> {
  const isSandbox = await stat(join(word, '.compose')).then(
    status => status.isDirectory(),
    () => false
  )
  if (isSandbox) return { name: word, ...(await openSandbox(word)) }
  throw new StrataError('USAGE', {
    message: `${word} is a directory, but not a sandbox that compose made`,
    hint: `compose import app/name-1.0 ${word} (publishes it as a module)`
  })
}

/** A text that is a lock or a list; everything else is a tarball. */
async function streamTarget(
  store: Repository,
  name: string,
  input: Readable,
  policy: TargetPolicy
): Promise<Target> {
  const chunks = input[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const seen: Buffer[] = []
  const more = async () => {
    const { done, value } = await chunks.next()
    if (!done) seen.push(value)
    return !done
  }
  const bytes = () => seen.reduce((sum, { length }) => sum + length, 0)
  while (bytes() < SNIFFED_BYTES && (await more())) {}
  const start = Buffer.concat(seen).toString('latin1')
  if (start.startsWith(IMAGE_MAGIC)) throw isImageAlready(name)
  const parse = looksLikeLock(start) ? parseLock : looksLikeLayerList(start) ? parseLayerList : undefined
  if (parse === undefined)
    return tarTarget(store, name, policy, seen, chunks).catch(cause =>
      Promise.reject(withTextHint(cause, name))
    )
  while (await more())
    if (bytes() > MAX_TEXT_BYTES)
      throw new StrataError('LOCK_INVALID', { message: `${name} is larger than 16 MiB` })
  const parsed = parse(Buffer.concat(seen).toString('utf8'), name)
  if (Array.isArray(parsed)) return { name, modules: await groupBareLayers(store, parsed) }
  await fetchMissing(store, parsed.modules, policy)
  return { name, modules: parsed.modules, lock: parsed }
}

/**
 * What an image was made of, by the lock that it holds; its layers come from the stores.
 * @throws StrataError IMAGE_INVALID for an image that holds no lock; BLOB_MISSING
 */
export async function targetOfImage(store: Repository, path: string, policy: TargetPolicy): Promise<Target> {
  const image = await openImage(path)
  try {
    const lock = describeImage(image)?.lock
    if (lock === undefined)
      throw undescribed(path, `compose import base/NAME-VERSION ${path}, then name that module`)
    await fetchMissing(store, lock.modules, policy)
    for (const module of lock.modules) if (!(await isWhole(store, module))) throw hasLost(path, module)
    return { name: path, modules: lock.modules, lock }
  } finally {
    await image.close()
  }
}

const hasLost = (path: string, { name, layers }: ChosenModule): StrataError =>
  new StrataError('BLOB_MISSING', {
    message: `${path} was made of ${name ?? formatCid(layers[0])}, of which no store has the record and all layers`,
    facts: { image: path },
    hint: `compose import app/NAME-VERSION ${path} (publishes all files of the image), then name that module`
  })

const isImageAlready = (name: string): StrataError =>
  new StrataError('USAGE', {
    message: `${name} is an image, wanted modules, a lock, a layer list, a sandbox or a tarball`,
    hint: `compose extract ${name} DIRECTORY (makes a sandbox of it), or compose import MODULE ${name}`
  })

async function tarTarget(
  store: Repository,
  name: string,
  { allowPrivileged = false, isDryRun = false }: TargetPolicy,
  seen: Buffer[],
  rest: AsyncIterator<Buffer>
): Promise<Target> {
  if (isDryRun) throw notWithoutWriting(name)
  await store.assertWritable(`${name} is a tarball, which becomes a layer in the store`)
  async function* all() {
    yield* seen
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
  }
  const layer = await store
    .importLayer(
      { name, chunks: openTarStream(all(), { name, limits: DEFAULT_LIMITS }) },
      {
        names: new IdNames(),
        limits: DEFAULT_LIMITS,
        placement: AS_IT_IS,
        ignoreMissing: false,
        allowPrivileged,
        accessFor: digests => store.storedAccess(digests)
      }
    )
    .catch(error => {
      throw withTarHint(error, name)
    })
  return { name, modules: [{ layers: [layer.id] }] }
}

/** A lock or a list begins in one way alone, so one that is damaged is a text like others. */
function withTextHint(cause: unknown, name: string): unknown {
  if (
    !(cause instanceof StrataError) ||
    cause.code !== 'STREAM_INVALID' ||
    !/ is (a text file|an HTML page)/.test(cause.message)
  )
    return cause
  return new StrataError('LOCK_INVALID', {
    message: `${name} is a text file, but neither a lock nor a list of layers`,
    facts: { file: name },
    hint: 'compose lock writes a lock; compose list --layers writes a list; a stack has the ending .yaml',
    cause
  })
}

function withTarHint(cause: unknown, name: string): unknown {
  if (!(cause instanceof StrataError) || cause.code !== 'PRIVILEGED') return cause
  const { message, facts } = cause
  const hint = `compose build --allow-privileged keeps them exactly; compose import --kind base MODULE ${name} publishes them`
  return new StrataError('PRIVILEGED', { message, facts, hint, cause })
}

/** @throws StrataError IO, LOCK_INVALID */
export async function readLock(file: string): Promise<Lock> {
  const text = await readFile(file, 'utf8').catch(cause => Promise.reject(unreadableLock(file, cause)))
  return parseLock(text, file)
}

const unreadableLock = (file: string, cause: NodeJS.ErrnoException): StrataError =>
  new StrataError('IO', {
    message: `${file} cannot be read: ${systemWords(cause)}`,
    hint: 'compose lock',
    cause
  })
