/** `run.yaml`: mounts and defaults of `compose run` (spec/runtimes.md#settings). */
import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { StrataError } from '../../store/values/index.ts'
import { parseBind } from './parse-bind.ts'
import type { Bind } from './runtime.ts'

export interface RunSettings {
  runtime?: string
  /** True if the home folder is mounted; `workingFolder` likewise. */
  home: boolean
  workingFolder: boolean
  binds: Bind[]
  /** Binds whose source does not exist on this host. */
  absent: string[]
}

/** Reads the site's file, then the user's, which wins where both have a value. The binds of both are used. */
export async function readRunSettings(host: NodeJS.ProcessEnv): Promise<RunSettings> {
  const config = host.XDG_CONFIG_HOME?.startsWith('/')
    ? host.XDG_CONFIG_HOME
    : join(host.HOME || homedir(), '.config')
  const settings: RunSettings = { home: true, workingFolder: true, binds: [], absent: [] }
  for (const folder of [host.COMPOSE_ETC || '/etc/strata', join(config, 'strata')])
    await readInto(settings, join(folder, 'run.yaml'), host)
  return settings
}

async function readInto(settings: RunSettings, file: string, host: NodeJS.ProcessEnv): Promise<void> {
  const text = readIfThere(file)
  if (text === undefined) return
  const { parse } = await import('yaml') // slow to load, and most hosts have no such file
  let read: unknown
  try {
    read = parse(text)
  } catch (error) {
    throw invalid(file, (error as Error).message.split('\n')[0])
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read))
    throw invalid(file, 'it is not a mapping')
  for (const [key, value] of Object.entries(read)) {
    if (key === 'runtime' && typeof value === 'string') settings.runtime = value
    else if (key === 'home' && typeof value === 'boolean') settings.home = value
    else if (key === 'working_folder' && typeof value === 'boolean') settings.workingFolder = value
    else if (key === 'binds' && isTexts(value)) for (const bind of value) addBind(settings, bind, file, host)
    else
      throw invalid(
        file,
        `${key} is unknown, or its value has the wrong type: wanted runtime, home, working_folder, binds`
      )
  }
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every(item => typeof item === 'string')

/** Binds that do not exist on this host are left out, because one file serves many hosts. */
function addBind(settings: RunSettings, text: string, file: string, host: NodeJS.ProcessEnv): void {
  const named = text.replace(/\$(\w+)|\$\{(\w+)\}/g, (_, plain, braced) => host[plain ?? braced] ?? '')
  const bind = parseBind(named, `${file}: binds`)
  if (statSync(bind.source, { throwIfNoEntry: false }) === undefined) settings.absent.push(bind.source)
  else settings.binds.push(bind)
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new StrataError('IO', { message: `${file} cannot be read: ${message}`, cause })
  }
}

const invalid = (file: string, fault: string): StrataError =>
  new StrataError('SETTINGS_INVALID', {
    message: `${file}: ${fault}`,
    facts: { file },
    hint: 'runtime: bwrap\nbinds:\n  - /scratch'
  })
