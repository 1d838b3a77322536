/** GPUs and other devices of the host for a program: by CDI, else by the library list (spec/runtimes.md#devices). */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { CDI_FOLDERS, type DeviceParts, gpuNames, partsOfDevice, readCdi, unknownDevice } from './cdi.ts'
import { driverOfHost, LIBRARIES, libraryBind, namesOfLibrary } from './gpu-libraries.ts'
import type { Bind } from './runtime.ts'

export interface DeviceWish {
  /** All GPUs of the host. */
  gpu: boolean
  /** CDI names that the user asked for. */
  asked: string[]
  /** CDI names of the settings, which another host may have. */
  usual: string[]
}

export interface Devices {
  binds: Bind[]
  environment: Record<string, string>
  /** Behind the other folders of LD_LIBRARY_PATH. */
  libraryFolder?: string
  /** CDI names of what is mounted. */
  names: string[]
  notes: string[]
}

export const cdiFolders = (host: NodeJS.ProcessEnv): string[] =>
  host.COMPOSE_CDI_PATH ? host.COMPOSE_CDI_PATH.split(':').filter(path => path.startsWith('/')) : CDI_FOLDERS

/** @throws StrataError USAGE for a device that this host does not have, SETTINGS_INVALID */
export async function devicesOf(
  { gpu, asked, usual }: DeviceWish,
  host: NodeJS.ProcessEnv
): Promise<Devices> {
  const devices: Devices = { binds: [], environment: {}, names: [], notes: [] }
  if (!gpu && asked.length === 0 && usual.length === 0) return devices
  const files = await readCdi(cdiFolders(host))
  const gpus = gpu ? gpuNames(files) : []
  for (const name of new Set([...gpus, ...usual, ...asked])) {
    const parts = partsOfDevice(files, name)
    if (parts !== undefined) addParts(devices, name, parts)
    else if (asked.includes(name)) throw unknownDevice(name, files)
    else devices.notes.push(`${name} is not on this host`)
  }
  if (gpu && gpus.length === 0) addDriver(devices, host)
  devices.binds = withoutShown(devices)
  return devices
}

function addParts(devices: Devices, name: string, parts: DeviceParts): void {
  devices.names.push(name)
  devices.binds.push(...parts.binds)
  Object.assign(devices.environment, parts.environment)
  for (const skipped of parts.skipped)
    devices.notes.push(`${name}: ${skipped} is left out, because it needs root`)
  for (const { source, target } of parts.binds) {
    if (!parts.libraryFolders.includes(dirname(target))) continue
    devices.libraryFolder = LIBRARIES
    devices.binds.push(...namesOfLibrary(source).map(library => libraryBind(source, library)))
  }
}

function addDriver(devices: Devices, host: NodeJS.ProcessEnv): void {
  const driver = driverOfHost(host)
  if (driver.length === 0) devices.notes.push('no GPU is found on this host: neither a CDI file nor a driver')
  else devices.libraryFolder = LIBRARIES
  devices.binds.push(...driver)
}

/** All runtimes show /dev, and with it a node that has the same name inside. */
function withoutShown({ binds, notes }: Devices): Bind[] {
  const seen = new Set<string>()
  return binds.filter(({ source, target }) => {
    if (!existsSync(source)) notes.push(`${source} is not mounted: it is not on this host`)
    if (!existsSync(source) || seen.has(target)) return false
    seen.add(target)
    return source !== target || !source.startsWith('/dev/')
  })
}
