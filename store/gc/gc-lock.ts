/**
 * Lets one collector work at a time (spec/store-layout.md#gc-lock). Two at once would only repeat each other's work,
 * and do no harm. So the lock need not always know who is alive, which locks on a network cannot.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import type { FileStatus, NativeError } from '../../native/index.ts'
import {
  isTrusted,
  mtimeOf,
  readPlainFile,
  type StoreFolder,
  type StorePath,
  storeClock,
  storeFolder,
  TemporaryFile,
  TMP,
  touchFiles,
  unusedPath
} from '../files/index.ts'
import { Field, integer, parseFields, StrataError, text, whenStopped } from '../values/index.ts'

export const LOCK = `${TMP}/gc.lock`

const RENEW_MS = 60_000
/** A lock of another host counts as abandoned if it was not renewed for this time. */
const STALE_NS = 600_000_000_000n
const ATTEMPTS = 3
const MAX_LOCK_BYTES = 4096

interface Holder {
  host: string
  pid: number
  /** Id of the running kernel, new after each boot. */
  boot: string
  /** The namespace within which the process id is valid. */
  namespace: string
  /** Start of the process, in ticks since the boot. */
  started: string
}

/**
 * Calls `work` if no other collector is working.
 * @throws StrataError STORE_BUSY
 */
export async function withGcLock<T>(root: string, work: () => Promise<T>): Promise<T> {
  const store = storeFolder(root)
  const forget = whenStopped(() => isOwn(store) && store.remove(LOCK))
  await acquire(store)
  const renewal = setInterval(() => renew(root), RENEW_MS)
  try {
    return await work()
  } finally {
    clearInterval(renewal)
    if (isOwn(store)) store.remove(LOCK) // root may have taken it over
    forget()
  }
}

function renew(root: string): void {
  try {
    touchFiles(root, [LOCK])
  } catch {} // a lock that is not renewed does no harm
}

async function acquire(store: StoreFolder): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const file = TemporaryFile.create(store.root)
    try {
      await file.handle.writeFile(`${JSON.stringify(ourselves())}\n`)
      if (await file.publish(LOCK)) return
    } finally {
      await file.discard()
    }
    if (!tryRemoveStale(store) || attempt === ATTEMPTS) throw storeBusy(store)
  }
}

/** @returns true if another attempt is worthwhile */
function tryRemoveStale(store: StoreFolder): boolean {
  const before = store.status(LOCK)
  if (before === undefined) return true
  if (!isStale(store, before)) return false
  const aside = unusedPath()
  const moved = tryMoveAside(store, aside)
  if (moved !== 'moved') return moved === 'gone'
  // Another collector was faster, and this is its new lock.
  if (store.status(aside)?.ino !== before.ino) store.link(aside, LOCK)
  store.remove(aside)
  return true
}

/**
 * Any member of the group could name a process that runs for ever, or renew the time for ever. So their locks hold up neither
 * root nor the owner of the store, who can take them away.
 */
function isStale(store: StoreFolder, status: FileStatus): boolean {
  if (!isTrusted(store.root, status.uid)) return true
  const holder = readHolder(store)
  if (holder !== undefined && isOfThisKernel(holder)) return !isAlive(holder)
  const ageNs = storeClock(store.root) - mtimeOf(status)
  return ageNs > STALE_NS || ageNs < -STALE_NS
}

function tryMoveAside(store: StoreFolder, aside: StorePath): 'moved' | 'gone' | 'denied' {
  try {
    store.rename(LOCK, aside)
    return 'moved'
  } catch (error) {
    const { code } = error as NativeError
    if (code === 'ENOENT') return 'gone'
    if (code === 'EPERM' || code === 'EACCES') return 'denied' // another member's, in a sticky folder
    throw error
  }
}

function readHolder(store: StoreFolder): Holder | undefined {
  try {
    const bytes = readPlainFile(store, LOCK, { mostBytes: MAX_LOCK_BYTES })
    if (bytes === undefined) return undefined
    const fields = parseFields(bytes.toString(), new Field(store.displayPath(LOCK)))
    return {
      host: fields.required('host', text),
      pid: fields.required('pid', integer(1, 2 ** 22)),
      boot: fields.required('boot', text),
      namespace: fields.required('namespace', text),
      started: fields.required('started', text)
    }
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

const isOwn = (store: StoreFolder): boolean => {
  const holder = readHolder(store)
  return holder !== undefined && isOfThisKernel(holder) && holder.pid === process.pid
}

const isAlive = ({ pid, started }: Holder): boolean => startOf(pid) === started

const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()

const processNamespace = (): string => readlinkSync('/proc/self/ns/pid')

/** Field 22 of proc_pid_stat(5), counted from behind the name, which may hold spaces; undefined if there is no process. */
function startOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[22 - 3]
  } catch {
    return undefined
  }
}

function storeBusy(store: StoreFolder): StrataError {
  const holder = readHolder(store)
  return new StrataError('STORE_BUSY', {
    message: 'another compose gc is working in this store',
    facts: { ...(holder && { host: holder.host, process: holder.pid }), file: store.displayPath(LOCK) },
    hint: 'wait until it ends; if it was killed, its lock is taken over after ten minutes at most'
  })
}
