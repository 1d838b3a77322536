/**
 * Devices of the host by the Container Device Interface (CDI 0.8): files in /etc/cdi and /run/cdi that vendors' tools
 * write, such as `nvidia-ctk cdi generate`. They say which nodes, files and variables a device consists of
 * (spec/runtimes.md#devices).
 */
import { constants, openSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseSpecText, refuseText, type SpecFault } from '../../store/module/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { readTrusted } from './read-trusted.ts'
import type { Bind } from './runtime.ts'

/** The later one wins where both name a device. */
export const CDI_FOLDERS = ['/etc/cdi', '/var/run/cdi', '/run/cdi']

interface Edits {
  env?: string[]
  deviceNodes?: { path: string; hostPath?: string }[]
  mounts?: { hostPath: string; containerPath: string; options?: string[]; type?: string }[]
  hooks?: { hookName: string; path: string; args?: string[] }[]
}

interface CdiFile {
  file: string
  kind: string
  containerEdits?: Edits
  devices: { name: string; containerEdits?: Edits }[]
}

export interface DeviceParts {
  binds: Bind[]
  environment: Record<string, string>
  /** Folders of the tree whose libraries a hook would have made known to the loader. */
  libraryFolders: string[]
  /** Hooks that are not run, since they need root. */
  skipped: string[]
}

/** @throws StrataError SETTINGS_INVALID for a file that is no CDI specification, or that others could write */
export async function readCdi(folders = CDI_FOLDERS): Promise<CdiFile[]> {
  const files: CdiFile[] = []
  for (const folder of folders)
    for (const name of namesIn(folder)) {
      const file = join(folder, name)
      const read = readIfAllowed(file)
      if (read !== undefined) files.push(await parseCdi(read, file))
    }
  return files
}

const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder)
      .filter(name => /\.(json|yaml)$/.test(name))
      .sort()
  } catch {
    return []
  }
}

function readIfAllowed(file: string): Buffer | undefined {
  let fd: number
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    return undefined // not for this user
  }
  return readTrusted(fd, file)
}

/** JSON is YAML. Fields that only a runtime with root needs are not looked at. */
async function parseCdi(bytes: Buffer, file: string): Promise<CdiFile> {
  const text = await parseSpecText(bytes, file, refuse)
  const faults: SpecFault[] = []
  const check = (fits: boolean, path: (string | number)[], wanted: string) => {
    if (!fits)
      faults.push({ ...text.position(path, 'value'), message: `${path.join('.')}: wanted ${wanted}` })
    return fits
  }
  const { kind, devices, containerEdits } = (text.value ?? {}) as Record<string, unknown>
  check(typeof kind === 'string' && /^[\w.-]+\/[\w.-]+$/.test(kind), ['kind'], 'vendor.com/class')
  checkEdits(containerEdits, ['containerEdits'], check)
  if (check(Array.isArray(devices), ['devices'], 'a list'))
    for (const [i, device] of (devices as Record<string, unknown>[]).entries()) {
      check(typeof device?.name === 'string', ['devices', i, 'name'], 'a name')
      checkEdits(device?.containerEdits, ['devices', i, 'containerEdits'], check)
    }
  if (faults.length > 0) refuse(file, faults)
  return { ...(text.value as Omit<CdiFile, 'file'>), file }
}

type Check = (fits: boolean, path: (string | number)[], wanted: string) => boolean

const isText = (value: unknown): boolean => typeof value === 'string' && !value.includes('\0')
const isPath = (value: unknown): boolean => isText(value) && (value as string).startsWith('/')
const isTexts = (value: unknown): boolean =>
  value === undefined || (Array.isArray(value) && value.every(isText))

/** For each list of the edits: what each item has to be. */
const ITEMS: Record<keyof Edits, { wanted: string; fits(item: Record<string, unknown>): boolean }> = {
  env: {
    wanted: 'NAME=VALUE',
    fits: item => isText(item) && /^[A-Za-z_][A-Za-z0-9_]*=/.test(String(item))
  },
  deviceNodes: {
    wanted: 'a node with an absolute path',
    fits: item => isPath(item?.path) && (item.hostPath === undefined || isPath(item.hostPath))
  },
  mounts: {
    wanted: 'a mount with absolute paths',
    fits: item =>
      isPath(item?.hostPath) &&
      isPath(item.containerPath) &&
      isTexts(item.options) &&
      (item.type === undefined || isText(item.type))
  },
  hooks: {
    wanted: 'a hook with a name and a path',
    fits: item => isText(item?.hookName) && isText(item.path) && isTexts(item.args)
  }
}

function checkEdits(edits: unknown, path: (string | number)[], check: Check): void {
  if (edits === undefined || edits === null) return
  if (!check(typeof edits === 'object' && !Array.isArray(edits), path, 'a mapping')) return
  for (const [key, { wanted, fits }] of Object.entries(ITEMS)) {
    const list = (edits as Record<string, unknown>)[key] ?? []
    if (check(Array.isArray(list), [...path, key], 'a list'))
      for (const [i, item] of (list as Record<string, unknown>[]).entries())
        check(fits(item), [...path, key, i], wanted)
  }
}

function refuse(file: string, faults: SpecFault[]): never {
  refuseText(file, faults, {
    code: 'SETTINGS_INVALID',
    hint: 'the tool that wrote it, such as nvidia-ctk cdi generate'
  })
}

/** All names, such as `nvidia.com/gpu=all`. */
export const deviceNames = (files: CdiFile[]): string[] => [
  ...new Set(files.flatMap(({ kind, devices }) => devices.map(({ name }) => `${kind}=${name}`)))
]

/** What is mounted for `--gpu`: of each vendor's class `gpu` the device that stands for all, else each one. */
export function gpuNames(files: CdiFile[]): string[] {
  const names = deviceNames(files).filter(name => /^[^/]*\/gpu=/.test(name))
  return names.filter(name => name.endsWith('=all') || !names.includes(`${name.split('=')[0]}=all`))
}

/** @returns undefined if no file has the device */
export function partsOfDevice(files: CdiFile[], name: string): DeviceParts | undefined {
  const file = files.findLast(({ kind, devices }) =>
    devices.some(device => `${kind}=${device.name}` === name)
  )
  if (file === undefined) return undefined
  const device = file.devices.find(device => `${file.kind}=${device.name}` === name)
  return partsOf([file.containerEdits ?? {}, device?.containerEdits ?? {}])
}

function partsOf(all: Edits[]): DeviceParts {
  const parts: DeviceParts = { binds: [], environment: {}, libraryFolders: [], skipped: [] }
  for (const { env, deviceNodes, mounts } of all) {
    for (const text of env ?? [])
      parts.environment[text.slice(0, text.indexOf('='))] = text.slice(text.indexOf('=') + 1)
    for (const { path, hostPath = path } of deviceNodes ?? []) parts.binds.push(bindOf(hostPath, path, false))
    for (const { hostPath, containerPath, options, type } of mounts ?? [])
      if (type === undefined || type === 'bind' || options?.some(option => /^r?bind$/.test(option)))
        parts.binds.push(bindOf(hostPath, containerPath, options?.includes('ro') ?? false))
      else parts.skipped.push(`mount of ${type} at ${containerPath}`)
  }
  for (const { hooks } of all) for (const hook of hooks ?? []) applyHook(hook, parts)
  return parts
}

const bindOf = (source: string, target: string, isReadOnly: boolean): Bind => ({
  ...{ source, target, isReadOnly },
  mayBeLeftOut: true
})

/** Hooks would write to the tree as root. What those of NVIDIA do is done by mounts and by a variable. */
function applyHook({ path, args = [] }: NonNullable<Edits['hooks']>[number], parts: DeviceParts): void {
  const values = (option: string) =>
    args.flatMap((word, i) =>
      word === option
        ? (args[i + 1] ?? [])
        : word.startsWith(`${option}=`)
          ? word.slice(option.length + 1)
          : []
    )
  if (args.includes('update-ldcache')) parts.libraryFolders.push(...values('--folder'))
  else if (args.includes('create-symlinks'))
    for (const link of values('--link')) {
      const [target, place] = link.split('::')
      const led = resolve(dirname(place ?? '/'), target)
      const mounted = parts.binds.find(bind => bind.target === led)
      if (place === undefined || mounted === undefined) parts.skipped.push(`link ${link}`)
      else parts.binds.push({ ...mounted, target: place })
    }
  else parts.skipped.push(args.slice(0, 2).join(' ') || path)
}

export const unknownDevice = (name: string, files: CdiFile[]): StrataError =>
  new StrataError('USAGE', {
    message: `--device ${name}: ${files.length === 0 ? `no CDI file is in ${CDI_FOLDERS.join(', ')}` : `wanted one of ${deviceNames(files).join(', ')}`}`,
    hint:
      files.length === 0 ? 'as root: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml' : 'compose doctor'
  })
