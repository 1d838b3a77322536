/** `run.yaml`: mounts, variables and defaults of `compose run` (spec/runtimes.md#settings, spec/run.schema.json). */
import { constants, openSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseSpecText, refuseText, type SpecFault } from '../../store/module/index.ts'
import { StrataError, systemWords } from '../../store/values/index.ts'
import { parseBind } from './parse-bind.ts'
import { readTrusted } from './read-trusted.ts'
import type { Bind } from './runtime.ts'
import { RUNTIME_NAMES } from './runtime.ts'

export interface RunSettings {
  runtime?: string
  /** True if the home folder is mounted; `workingFolder` likewise. */
  home: boolean
  workingFolder: boolean
  /** True if the GPUs of the host are mounted. */
  gpu: boolean
  /** CDI names of devices. */
  devices: string[]
  binds: Bind[]
  /** Binds whose source does not exist on this host. */
  absent: string[]
  /** Variables of programs. */
  environment: Record<string, string>
  /** The files that were read. */
  files: string[]
}

/** Reads the site's file, then the user's, which wins where both have a value. The binds and devices of both are used. */
export async function readRunSettings(host: NodeJS.ProcessEnv): Promise<RunSettings> {
  const config = host.XDG_CONFIG_HOME?.startsWith('/')
    ? host.XDG_CONFIG_HOME
    : join(host.HOME || homedir(), '.config')
  const settings: RunSettings = {
    ...{ home: true, workingFolder: true, gpu: false },
    ...{ devices: [], binds: [], absent: [], environment: {}, files: [] }
  }
  for (const folder of [host.COMPOSE_ETC || '/etc/strata', join(config, 'strata')])
    await readInto(settings, join(folder, 'run.yaml'), host)
  return settings
}

async function readInto(settings: RunSettings, file: string, host: NodeJS.ProcessEnv): Promise<void> {
  const bytes = readTrustedIfThere(file)
  if (bytes === undefined) return
  settings.files.push(file)
  const text = await parseSpecText(bytes, file, refuse)
  const faults: SpecFault[] = []
  const add = (path: (string | number)[], part: 'key' | 'value', message: string) =>
    faults.push({ ...text.position(path, part), message })
  if (text.value === null) return
  if (!isMapping(text.value)) refuse(file, [{ line: 1, column: 1, message: 'is not a mapping' }])
  for (const [key, value] of Object.entries(text.value as Record<string, unknown>)) {
    const field = Object.hasOwn(FIELDS, key) ? FIELDS[key] : undefined
    if (field === undefined) add([key], 'key', `${key} is unknown: wanted ${Object.keys(FIELDS).join(', ')}`)
    else if (!field.fits(value)) add([key], 'value', `${key}: wanted ${field.wanted}`)
    else
      try {
        field.take(settings, value as never, host)
      } catch (error) {
        add([key], 'value', (error as Error).message)
      }
  }
  if (faults.length > 0) refuse(file, faults)
}

interface Field {
  wanted: string
  fits(value: unknown): boolean
  take(settings: RunSettings, value: never, host: NodeJS.ProcessEnv): void
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every(item => typeof item === 'string' && !item.includes('\0'))
const isVariables = (value: unknown): boolean =>
  isMapping(value) &&
  Object.entries(value).every(
    ([name, text]) =>
      /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && typeof text === 'string' && !text.includes('\0')
  )

const flag = (name: 'home' | 'workingFolder' | 'gpu'): Field => ({
  wanted: 'true or false',
  fits: value => typeof value === 'boolean',
  take: (settings, value: boolean) => {
    settings[name] = value
  }
})

/** As in spec/run.schema.json. */
const FIELDS: Record<string, Field | undefined> = {
  runtime: {
    wanted: `one of ${RUNTIME_NAMES.join(', ')}`,
    fits: value => RUNTIME_NAMES.some(name => name === value),
    take: (settings, value: string) => {
      settings.runtime = value
    }
  },
  home: flag('home'),
  working_folder: flag('workingFolder'),
  binds: {
    wanted: 'a list of texts, each SRC[:DST[:ro]]',
    fits: isTexts,
    take: (settings, value: string[], host) => {
      for (const text of value) addBind(settings, text, host)
    }
  },
  environment: {
    wanted: 'a mapping from names of variables to texts',
    fits: isVariables,
    take: (settings, value: Record<string, string>) => Object.assign(settings.environment, value)
  },
  gpu: flag('gpu'),
  devices: {
    wanted: 'a list of CDI names, such as vendor.com/class=name',
    fits: isTexts,
    take: (settings, value: string[]) => settings.devices.push(...value)
  }
}

/** Left out is what this host lacks, or what this user cannot reach, because one file serves many hosts and users. */
function addBind(settings: RunSettings, text: string, host: NodeJS.ProcessEnv): void {
  let isUnset = false as boolean
  const named = text.replace(/\$(\w+)|\$\{(\w+)\}/g, (_, plain, braced) => {
    const name = plain ?? braced
    const value = Object.hasOwn(host, name) ? host[name] : undefined
    isUnset ||= !value
    return value ?? ''
  })
  if (isUnset) {
    settings.absent.push(text)
    return
  }
  // A relative one would be another folder for each working folder.
  if (!named.startsWith('/')) throw new Error(`binds ${text}: wanted an absolute path`)
  const bind = parseBind(named, 'binds')
  if (canReach(bind.source)) settings.binds.push(bind)
  else settings.absent.push(bind.source)
}

function canReach(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return false
    throw error
  }
}

/** Somebody else's settings would mount their folders into the programs of a user. */
function readTrustedIfThere(file: string): Buffer | undefined {
  let fd: number
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new StrataError('IO', {
      message: `${file} cannot be read: ${systemWords(cause as Error)}`,
      cause
    })
  }
  return readTrusted(fd, file)
}

function refuse(file: string, faults: SpecFault[]): never {
  refuseText(file, faults, { code: 'SETTINGS_INVALID', hint: 'spec/run.schema.json describes every key' })
}
