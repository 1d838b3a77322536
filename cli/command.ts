import type { Command } from 'commander'
import { openStore, placesFromEnvironment, type Store } from '../store/store.ts'
import { type Io, processIo } from './io.ts'

/** Options that every command takes. */
export interface GlobalOptions {
  store?: string
  stack?: string
  json?: boolean
  quiet?: boolean
}

/** What a command's action gets beside its own options. */
export interface Context {
  io: Io
  json: boolean
  /** Folder of the store that is written. */
  storeFolder: string
  stackFile: string
  openStore(): Promise<Store>
  /** One document with --json, else the text; what is not printed is not made, where it is a function. */
  result(json: unknown, text: () => string): void
}

export function contextOf(command: Command): Context {
  const options: GlobalOptions = command.optsWithGlobals()
  const io = processIo(options.quiet === true)
  const places = placesFromEnvironment()
  const storeFolder = options.store ?? places.store
  const json = options.json === true
  return {
    io,
    json,
    storeFolder,
    stackFile: options.stack ?? (process.env.COMPOSE_STACK || 'stack.yaml'),
    openStore: () => openStore({ store: storeFolder, path: places.path }),
    result(value, text) {
      const line = json ? JSON.stringify(typeof value === 'function' ? value() : value, undefined, 2) : text()
      if (line !== '') io.out(line)
    }
  }
}

/** For options that may be given several times. */
export const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value]
