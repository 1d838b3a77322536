/** `run.yaml`: mounts, variables and defaults of `compose run` (spec/runtimes.md#settings, spec/run.schema.json). */
import { constants, openSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, normalize } from 'node:path'
import { parseSpecText, refuseText, type SpecFault } from '../../store/module/index.ts'
import { StrataError, systemWords } from '../../store/values/index.ts'
import { parseBind } from './parse-bind.ts'
import { readTrusted } from './read-trusted.ts'
import type { Bind } from './runtime.ts'
import { RUNTIME_NAMES } from './runtime.ts'
import { isBelow } from './usual-binds.ts'

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
  /** Binds whose source this host lacks, or this user cannot reach. */
  leftOut: LeftOut[]
  /** Variables of programs. */
  environment: Record<string, string>
  /** The files that were read. */
  files: string[]
}

/** A bind of the settings that this program does without. */
export interface LeftOut {
  file: string
  line: number
  /** As it is written. */
  text: string
  /** Undefined if it is not known. */
  source?: string
  target?: string
  /** As the end of a sentence. */
  why: string
}

/** Reads the site's file, then the user's, which wins where both have a value. The binds and devices of both are used. */
export async function readRunSettings(host: NodeJS.ProcessEnv): Promise<RunSettings> {
  const config = host.XDG_CONFIG_HOME?.startsWith('/')
    ? host.XDG_CONFIG_HOME
    : join(host.HOME || homedir(), '.config')
  const settings: RunSettings = {
    ...{ home: true, workingFolder: true, gpu: false },
    ...{ devices: [], binds: [], leftOut: [], environment: {}, files: [] }
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
        field.take(settings, value as never, host, i => ({
          file,
          line: text.position([key, i], 'value').line
        }))
      } catch (error) {
        add([key], 'value', (error as Error).message)
      }
  }
  if (faults.length > 0) refuse(file, faults)
}

type Finder = (index: number) => Pick<LeftOut, 'file' | 'line'>

interface Field {
  wanted: string
  fits(value: unknown): boolean
  /** @param at where an item of a list is written */
  take(settings: RunSettings, value: never, host: NodeJS.ProcessEnv, at: Finder): void
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
    take: (settings, value: string[], host, at) => {
      for (const [i, text] of value.entries()) addBind(settings, text, host, () => ({ ...at(i), text }))
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
function addBind(
  settings: RunSettings,
  text: string,
  host: NodeJS.ProcessEnv,
  written: () => Omit<LeftOut, 'why'>
): void {
  let unset: string | undefined
  const named = text.replace(/\$(\w+)|\$\{(\w+)\}/g, (_, plain, braced) => {
    const name = plain ?? braced
    const value = Object.hasOwn(host, name) ? host[name] : undefined
    if (!value) unset ??= name
    return value ?? ''
  })
  if (unset !== undefined) {
    const [, target = ''] = named.split(':')
    settings.leftOut.push({
      ...written(),
      ...(target.startsWith('/') && { target }),
      why: `${unset} is not set`
    })
    return
  }
  // A relative one would be another folder for each working folder.
  if (!named.startsWith('/')) throw new Error(`binds ${text}: wanted an absolute path`)
  const bind = parseBind(named, 'binds')
  const why = whyAway(bind.source)
  if (why === undefined) settings.binds.push(bind)
  else settings.leftOut.push({ ...written(), source: bind.source, target: bind.target, why })
}

/** A file server that does not answer (ESTALE, ENOTCONN, EIO, EHOSTDOWN) must not stop every run on the node. */
function whyAway(path: string): string | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined ? `${path} does not exist` : undefined
  } catch (error) {
    return `${path}: ${systemWords(error as Error)}`
  }
}

/** Folders that all users of a host can write to, and that every runtime shows. */
const OF_ALL_USERS = ['/tmp', '/dev/shm']

/**
 * Names what is left out. In place of a private folder that a site puts over a shared one, the program would
 * silently get the shared one.
 * @param usual folders of the host that the program sees
 * @param asked by the command, which decides
 * @throws StrataError SETTINGS_INVALID
 */
export function checkLeftOut(
  { leftOut, binds }: RunSettings,
  usual: string[],
  asked: Bind[],
  note: (text: string) => void
): void {
  for (const { file, line, text, source, target, why } of leftOut) {
    const place = target === undefined ? undefined : normalize(target)
    const isChosen =
      asked.some(bind => isBelow(place ?? '', normalize(bind.target))) ||
      binds.some(bind => normalize(bind.target) === place)
    const shared =
      place === undefined || isChosen || source === target
        ? undefined
        : [...OF_ALL_USERS, ...usual].find(folder => isBelow(place, folder))
    if (shared !== undefined)
      refuse(file, [
        {
          ...{ line, column: 1 },
          message: `binds ${text}: ${why}, and without it programs would use ${place} of the host: mend it, or give --bind DIR:${place} or --contain`
        }
      ])
    note(`${file}, line ${line}: bind ${text} is left out: ${why}`)
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
