import type { Command } from 'commander'
import { defaultStore, placesFromEnvironment } from '../../store/files/index.ts'
import { openRepository, type Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { formatDocument, type Io, processIo } from '../process/index.ts'
import { type RegistryFlags, registrySettings } from './registry-settings.ts'

/** Options that every command takes. */
export interface GlobalOptions {
  store?: string
  stack?: string
  json?: boolean
  quiet?: boolean
}

/** Options of the commands that may ask registries. */
interface AskingOptions extends RegistryFlags {
  offline?: boolean
}

/** Each command's action works with this context and its own options. */
export interface Context {
  io: Io
  /** True if notes are not wanted. */
  isQuiet: boolean
  json: boolean
  /** Folder of the store that is written, which may not have been made. */
  storeFolder: string
  stackFile: string
  openStore(): Promise<Repository>
  /** Undefined if the user has none, for commands that can do without. */
  openStoreIfMade(): Promise<Repository | undefined>
  /** Prints one document with --json, else the text. A function is called only if its result is printed. */
  result(json: object | (() => object), text: () => string): void
}

export function contextOf(command: Command): Context {
  const options: GlobalOptions & AskingOptions = command.optsWithGlobals()
  const io = processIo(options.quiet === true)
  const places = placesFromEnvironment()
  const named = options.store ?? places.store
  const json = options.json === true
  const open = () =>
    openRepository(
      { store: named, path: places.path },
      options.offline ? undefined : { registry: registrySettings(options), note: text => io.note(text) }
    )
  return {
    io,
    isQuiet: options.quiet === true,
    json,
    storeFolder: named ?? defaultStore(),
    stackFile: options.stack ?? (process.env.COMPOSE_STACK || 'stack.yaml'),
    openStore: open,
    openStoreIfMade: () => open().catch(withoutStore),
    result(value, text) {
      const line = json ? formatDocument(typeof value === 'function' ? value() : value) : text()
      if (line !== '') io.out(line)
    }
  }
}

/** Access to the definitions of all commands, for commands that describe others. */
export interface Verbs {
  /** The verb that a word stands for; undefined for any other word. */
  verbOf(word: string): string | undefined
  /** Every verb that help mentions, in its order. */
  listedCommands(): Promise<Command[]>
  /** One verb by itself, to look at. */
  definitionOf(verb: string): Promise<Command>
  /** Version of the package. */
  version(): string
}

/** Gathers the values of an option that may be given several times. */
export const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value]

function withoutStore(error: unknown): undefined {
  if (error instanceof StrataError && error.code === 'STORE_MISSING') return undefined
  throw error
}
