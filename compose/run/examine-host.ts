/** What of this host Strata can use, and what mends the rest (spec/launcher.md#doctor). */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import { release } from 'node:os'
import {
  cloneRange,
  constants,
  launcherFile,
  mkdirAt,
  openBeneath,
  setXattr,
  unlinkAt
} from '../../native/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { deviceNames, readCdi } from './cdi.ts'
import { cdiFolders } from './devices.ts'
import { findProgram, findSquashfuse } from './find-runtime.ts'
import { driverOfHost } from './gpu-libraries.ts'
import { readRunSettings } from './run-settings.ts'
import { RUNTIMES } from './runtimes.ts'
import { linesOf } from './subid-ranges.ts'
import { hasIds, type MissingIds, subordinateIds } from './subordinate-ids.ts'

export interface HostCheck {
  name: string
  works: boolean
  /** What was found. */
  found: string
  /** What it is for. */
  purpose: string
  /** The line that mends it. */
  remedy?: string
}

/** @param folders in which files are kept: ACLs and reflinks are tried there, in a new folder that is removed */
export async function examineHost(folders: string[], host: NodeJS.ProcessEnv): Promise<HostCheck[]> {
  return [
    ...launcherChecks(),
    squashfuseCheck(host),
    subuidCheck(host),
    runtimesCheck(host),
    mountCheck(),
    await settingsCheck(host),
    await devicesCheck(host),
    ...folders.flatMap(folder => folderChecks(folder))
  ]
}

const PURPOSES: Record<string, string> = {
  namespaces: 'compose run without a container runtime',
  fuse: 'images are mounted, not unpacked',
  overlay: 'compose run --writable, --overlay',
  capture: 'compose capture and definition files, with the owners that root would leave'
}

const FIELDS = 3
const REINSTALL = 'node scripts/install.mjs, in the folder of Strata'

/** The launcher tries each as a run would (native/launch/check.c). */
function launcherChecks(): HostCheck[] {
  const { stdout, error } = spawnSync(launcherFile(), ['check'], { encoding: 'utf8' })
  const purpose = PURPOSES.namespaces
  if (error !== undefined)
    return [{ name: 'launcher', works: false, found: error.message, purpose, remedy: REINSTALL }]
  const fields = stdout.split('\0')
  const checks: HostCheck[] = []
  for (let i = 0; i + FIELDS < fields.length; i += FIELDS) {
    const [name, fault, remedy] = fields.slice(i, i + FIELDS)
    const works = fault === ''
    checks.push({
      ...{ name, works, purpose: PURPOSES[name], found: works ? `works on Linux ${release()}` : fault },
      ...(remedy !== '' && { remedy })
    })
  }
  return checks
}

function squashfuseCheck(host: NodeJS.ProcessEnv): HostCheck {
  const program = findSquashfuse(host)
  return {
    ...{ name: 'squashfuse', works: program !== undefined, found: program ?? 'not in PATH' },
    purpose: 'images are mounted, not unpacked',
    ...(program === undefined && { remedy: 'as root: apt install squashfuse, or dnf install squashfuse' })
  }
}

function subuidCheck(host: NodeJS.ProcessEnv): HostCheck {
  const ids = subordinateIds(host)
  const purpose = 'compose capture gives owners for real, instead of supervising (--owners); podman'
  if (hasIds(ids)) {
    const found = `${ids.users.count} ids for this user, which captures take (--owners auto)`
    return { name: 'subuid', works: true, found, purpose }
  }
  const missing = [
    ...ids.overlaps,
    ...(ids.overlaps.length > 0 ? [] : ids.files.map(file => `no range for ${ids.user} in ${file}`)),
    ...ids.programs.map(name => `no ${name}`)
  ]
  const remedy = subuidRemedy(ids)
  const isFine = process.geteuid?.() === 0
  const found = `${missing.join(', ')}, so captures are supervised`
  return { name: 'subuid', works: isFine, found, purpose, ...(!isFine && { remedy }) }
}

function subuidRemedy({ overlaps, files, programs, service, user }: MissingIds): string {
  if (overlaps.length > 0 && service !== undefined)
    return `those who run the service "${service}" can give ${user} ranges that begin above all accounts of this host`
  if (overlaps.length > 0)
    return `as root: give ${user} ranges that begin above all accounts, such as ${user}:100000:65536, in these lines`
  if (programs.includes('getsubids')) return 'as root: apt install uidmap, or dnf install shadow-utils-subid'
  if (service !== undefined)
    return `those who run the service "${service}" can give ${user} 65,536 subordinate ids; as root: "subid: files" in /etc/nsswitch.conf takes those of /etc/subuid`
  if (files.length > 0)
    return `as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user}`
  return 'as root: apt install uidmap, or dnf install shadow-utils'
}

function runtimesCheck(host: NodeJS.ProcessEnv): HostCheck {
  const found = RUNTIMES.flatMap(({ programs }) => programs.flatMap(name => findProgram(name, host) ?? []))
  return {
    ...{ name: 'runtimes', works: found.length > 0, found: found.join(', ') || 'none is installed' },
    purpose: 'compose run --runtime, and where our launcher does not work',
    ...(found.length === 0 && { remedy: 'nothing, if namespaces and fuse work; else install Apptainer' })
  }
}

/** Where a file system is a module that is not loaded yet, the first mount loads it. */
const FILE_SYSTEMS = ['squashfs', 'overlay', 'erofs']

/** What root's `compose mount` needs; without EROFS, the metadata are kept in memory (spec/erofs.md#forms). */
function mountCheck(): HostCheck {
  const known = linesOf('/proc/filesystems').map(line => line.split('\t').at(-1))
  const modules = linesOf(`/lib/modules/${release()}/modules.dep`)
  const lacking = FILE_SYSTEMS.filter(
    name => !known.includes(name) && !modules.some(line => line.split(':')[0].includes(`/${name}.ko`))
  )
  const works = !lacking.includes('squashfs') && !lacking.includes('overlay')
  const found = lacking.length === 0 ? FILE_SYSTEMS.join(', ') : `this kernel has no ${lacking.join(', ')}`
  return {
    ...{
      name: 'mount',
      works,
      found: lacking.join() === 'erofs' ? `${found}; memory is used instead` : found
    },
    purpose: 'compose mount by root, with ACLs enforced',
    ...(!works && { remedy: 'a kernel with CONFIG_SQUASHFS and CONFIG_OVERLAY_FS' })
  }
}

async function settingsCheck(host: NodeJS.ProcessEnv): Promise<HostCheck> {
  const purpose = 'binds, variables and defaults of compose run'
  try {
    const { files, leftOut } = await readRunSettings(host)
    const missing =
      leftOut.length === 0
        ? ''
        : `; this host has no ${leftOut.map(({ source, text }) => source ?? text).join(', ')}`
    return { name: 'settings', works: true, found: (files.join(', ') || 'no run.yaml') + missing, purpose }
  } catch (error) {
    return faulty('settings', purpose, error)
  }
}

async function devicesCheck(host: NodeJS.ProcessEnv): Promise<HostCheck> {
  const purpose = 'compose run --gpu, --device'
  try {
    const names = deviceNames(await readCdi(cdiFolders(host)))
    const driver = names.length === 0 ? driverOfHost(host) : []
    const found =
      names.join(', ') ||
      (driver.length > 0 ? `${driver.length} files of the driver` : 'no GPU, and no device of CDI')
    return { name: 'devices', works: true, found, purpose }
  } catch (error) {
    return faulty('devices', purpose, error)
  }
}

function faulty(name: string, purpose: string, error: unknown): HostCheck {
  if (!(error instanceof StrataError)) throw error
  const { message, hint } = error
  return { name, works: false, found: message, purpose, ...(hint !== undefined && { remedy: hint }) }
}

/** Version 2: the owner, user 65533, the group, the mask and others, each with its rights. */
const SOME_ACL = Buffer.from(
  '0200000001000600ffffffff02000400fdff000004000400ffffffff10000400ffffffff20000400ffffffff',
  'hex'
)
const BLOCK_BYTES = 65_536

function folderChecks(folder: string): HostCheck[] {
  const purposes = {
    acls: 'compose build --sandbox and stores of groups keep ACLs there',
    reflinks: 'builds share blocks instead of copying them'
  }
  try {
    return withNewFiles(folder, (from, to) => {
      writeSync(from, Buffer.alloc(BLOCK_BYTES, 1))
      const acls = faultOf(() => setXattr(from, '', 'system.posix_acl_access', SOME_ACL))
      const reflinks = faultOf(() => cloneRange(from, 0, to, 0, BLOCK_BYTES))
      return [
        checkOf('acls', folder, acls, purposes.acls, 'another folder, such as one on ext4 or XFS'),
        checkOf('reflinks', folder, reflinks, purposes.reflinks, 'nothing has to be done; XFS and btrfs can')
      ]
    })
  } catch (error) {
    const found = `${folder}: ${(error as Error).message}`
    return [
      { name: 'acls', works: false, found, purpose: purposes.acls, remedy: 'a folder that you may write to' }
    ]
  }
}

const { AT_REMOVEDIR, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR } = constants
const OPEN_FOLDER = O_RDONLY | O_DIRECTORY
const NEW_FILE = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW

/** By descriptors: whoever owns the folder can exchange the new one in it at once, and root would write where a link leads. */
function withNewFiles<T>(folder: string, use: (from: number, to: number) => T): T {
  const undone: (() => void)[] = []
  const opened = (fd: number) => {
    undone.push(() => closeSync(fd))
    return fd
  }
  const newFile = (at: number, name: string) => {
    undone.push(() => unlinkAt(at, name))
    return opened(openBeneath(at, name, NEW_FILE, 0o600))
  }
  try {
    const above = opened(openSync(folder, OPEN_FOLDER))
    const name = `.strata-doctor-${randomBytes(6).toString('hex')}`
    mkdirAt(above, name, 0o700)
    undone.push(() => unlinkAt(above, name, AT_REMOVEDIR))
    const at = opened(openBeneath(above, name, OPEN_FOLDER | O_NOFOLLOW))
    return use(newFile(at, 'from'), newFile(at, 'to'))
  } finally {
    for (const undo of undone.reverse()) faultOf(undo) // the folder may be somewhere else by now
  }
}

function checkOf(
  name: string,
  folder: string,
  fault: string | undefined,
  purpose: string,
  remedy: string
): HostCheck {
  const found = fault === undefined ? `work in ${folder}` : `${folder}: ${fault}`
  return { name, works: fault === undefined, found, purpose, ...(fault !== undefined && { remedy }) }
}

function faultOf(work: () => void): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
