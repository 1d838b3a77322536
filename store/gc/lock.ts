/**
 * One collector at a time (spec/store-layout.md#gc-lock). Two at once would do no harm, only each other's work: so
 * the lock may be wrong about who is alive, as locks on a network are.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { link, lstat, readFile, rename, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { StrataError } from '../errors.ts'
import { TMP } from '../store-layout.ts'
import { TemporaryFile } from '../temporary-file.ts'
import { storeClock, touchFiles } from './touch.ts'

export const LOCK = 'gc.lock'

const RENEW_MS = 60_000
/** A lock of another host that was not renewed for so long is nobody's. */
const STALE_NS = 600_000_000_000n
const ATTEMPTS = 3

interface Holder {
  host: string
  pid: number
  /** Of the running kernel, another after each boot. */
  boot: string
  /** Process ids mean something only within. */
  namespace: string
  /** When the process started, in ticks since the boot. */
  started: string
}

/**
 * Do `work` when no other collector is at it.
 * @throws StrataError STORE_BUSY
 */
export async function withGcLock<T>(root: string, work: () => Promise<T>): Promise<T> {
  const path = join(root, TMP, LOCK)
  await acquire(root, path)
  const renewal = setInterval(() => touchFiles(root, [path]).catch(() => undefined), RENEW_MS)
  try {
    return await work()
  } finally {
    clearInterval(renewal)
    await unlink(path).catch(ignoreAbsence)
  }
}

async function acquire(root: string, path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const file = await TemporaryFile.create(root)
    try {
      await file.handle.writeFile(`${JSON.stringify(ourselves())}\n`)
      if (await file.publish(path)) return
    } finally {
      await file.discard()
    }
    if (!(await removeIfStale(root, path)) || attempt === ATTEMPTS) throw await busy(path)
  }
}

/** @returns whether another attempt is worth while */
async function removeIfStale(root: string, path: string): Promise<boolean> {
  const before = await lstat(path, { bigint: true }).catch(ignoreAbsence)
  if (before === undefined) return true
  const holder = await readHolder(path)
  const isStale =
    holder !== undefined && isOfThisKernel(holder)
      ? !isAlive(holder)
      : before.mtimeNs < (await storeClock(root)) - STALE_NS
  if (!isStale) return false
  const aside = join(root, TMP, `gc.lock.${process.pid}`)
  await rename(path, aside).catch(ignoreAbsence)
  const moved = await lstat(aside, { bigint: true }).catch(ignoreAbsence)
  // Another was quicker, and this is his new lock.
  if (moved !== undefined && moved.ino !== before.ino) await link(aside, path).catch(() => undefined)
  await unlink(aside).catch(ignoreAbsence)
  return true
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder
  } catch {
    return undefined
  }
}

const ourselves = (): Holder => ({
  host: hostname(),
  pid: process.pid,
  boot: bootId(),
  namespace: processNamespace(),
  started: startOf(process.pid) ?? ''
})

const isOfThisKernel = ({ boot, namespace }: Holder): boolean =>
  boot === bootId() && namespace === processNamespace()

const isAlive = ({ pid, started }: Holder): boolean => startOf(pid) === started

const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()

const processNamespace = (): string => readlinkSync('/proc/self/ns/pid')

/** Field 22 of proc_pid_stat(5), counted behind the name, which may hold spaces; undefined when there is no process. */
function startOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[22 - 3]
  } catch {
    return undefined
  }
}

async function busy(path: string): Promise<StrataError> {
  const holder = await readHolder(path)
  return new StrataError('STORE_BUSY', {
    message: 'another compose gc is at work in this store',
    facts: { ...(holder && { host: holder.host, process: holder.pid }), file: path },
    hint: 'wait for it; the lock of one that was killed is taken over, at the latest after ten minutes'
  })
}

const ignoreAbsence = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== 'ENOENT') throw error
}
