/**
 * Named collections are saved stacks, as `module save` keeps them. Each is a stack file with its comments in the
 * user's configuration folder: `strata/collections/NAME.yaml` (spec/resolve.md#collections).
 */

import { readdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { assertOwnSettings, makeFolders } from '../../store/disk/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError, systemWords } from '../../store/values/index.ts'
import { replaceStack, type StackChange } from './edit-stack.ts'
import { openStack, readIfThere } from './open-stack.ts'
import { replaceFile } from './replace-file.ts'
import { parseStackText } from './stack-file.ts'

export const DEFAULT_COLLECTION = 'default'

const ENDING = '.yaml'

/** Lmod does not accept a dot either, and reserves `system`. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_+-]{0,127}$/

export function collectionsFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const home = environment.XDG_CONFIG_HOME
  // By the XDG specification, relative paths there are invalid and must be ignored.
  return join(home?.startsWith('/') ? home : join(homedir(), '.config'), 'strata', 'collections')
}

/**
 * Saves the stack under a name, and replaces an older one.
 * @returns the file
 * @throws StrataError STACK_INVALID for an unreadable or empty stack; USAGE for an invalid name; FOLDER_UNSAFE
 */
export async function saveCollection(
  stackFile: string,
  name: string,
  folder = collectionsFolder()
): Promise<string> {
  const file = collectionFile(folder, name)
  const { original, modules } = await openStack(stackFile)
  if (original === undefined || modules.length === 0)
    throw new StrataError('STACK_INVALID', {
      message: `You are trying to save an empty collection of modules in "${name}": ${stackFile} names no module`,
      hint: 'compose add base/debian'
    })
  assertOwnSettings(file)
  makeFolders(folder, 0o700) // as the XDG base directory specification has it; remotes and policies lie there too
  await replaceFile(file, original)
  return file
}

/**
 * Replaces the stack by the collection and resolves it again: a full name keeps its version, a short one follows the
 * default. If it cannot be resolved, nothing changes.
 * @throws StrataError COLLECTION_UNKNOWN, STACK_INVALID, MODULE_UNKNOWN, MODULE_CONFLICT
 */
export async function restoreCollection(
  store: Repository,
  stackFile: string,
  name: string,
  folder = collectionsFolder()
): Promise<StackChange> {
  return replaceStack(store, stackFile, await readCollection(folder, name), collectionFile(folder, name))
}

/** Names in byte order. */
export async function listCollections(folder = collectionsFolder()): Promise<string[]> {
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw new StrataError('IO', { message: `${folder} cannot be read: ${systemWords(error)}`, cause: error })
  })
  return files
    .filter(file => file.endsWith(ENDING))
    .map(file => file.slice(0, -ENDING.length))
    .filter(name => NAME.test(name))
    .sort()
}

/** The requests of a collection, as the user typed them. @throws StrataError COLLECTION_UNKNOWN, STACK_INVALID */
export async function describeCollection(name: string, folder = collectionsFolder()): Promise<string[]> {
  const { text } = await parseStackText(await readCollection(folder, name), collectionFile(folder, name))
  return text.items.map(item => item.text)
}

async function readCollection(folder: string, name: string): Promise<string> {
  const text = await readIfThere(collectionFile(folder, name))
  if (text !== undefined) return text
  const saved = await listCollections(folder)
  throw new StrataError('COLLECTION_UNKNOWN', {
    message: `User module collection: "${name}" does not exist.`,
    facts: { folder, ...(saved.length > 0 && { saved }) },
    hint: 'Try "compose savelist" for possible choices.'
  })
}

/** @throws StrataError USAGE */
function collectionFile(folder: string, name: string): string {
  if (NAME.test(name)) return join(folder, `${name}${ENDING}`)
  throw new StrataError('USAGE', {
    message: `${JSON.stringify(name)} is not a valid name for a collection, wanted letters, digits, _ + -`,
    hint: 'compose save mystack'
  })
}
