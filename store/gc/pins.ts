/**
 * Pins: locks and layer lists that `compose gc` keeps everything for (spec/store-layout.md#pins). `refs/pins/<name>`
 * is a file: ids, an empty line, the text as it was given.
 */
import { lstatSync } from 'node:fs'
import { readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { DAG_JSON, formatCid, parseCid } from '../digest.ts'
import { StrataError } from '../errors.ts'
import { listFolder } from '../module/list-folder.ts'
import { isFolder, unreadable } from '../module/ref-file.ts'
import { assertWritable, type Store } from '../store.ts'
import { syncFolder, TemporaryFile } from '../temporary-file.ts'
import { keepReachable } from './keep.ts'
import type { Roots } from './reach.ts'

export const PINS = 'refs/pins'

const FIRST_LINE = 'strata pin 1'
const PIN_NAME = /^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$/
/** A lock of 10,000 modules with as many layers has some 4 MiB. */
const MAX_PIN_BYTES = 64 << 20

export interface Pin extends Roots {
  name: string
  /** The lock or the layer list, byte for byte. */
  text: string
}

/** @throws StrataError USAGE */
export function checkPinName(name: string): string {
  if (PIN_NAME.test(name)) return name
  throw new StrataError('USAGE', {
    message: `${JSON.stringify(name)} is no name for a pin, wanted up to 128 of A-Z a-z 0-9 . _ + -`,
    hint: '--name chemistry-2026'
  })
}

/**
 * Keep what a lock needs. Doing so twice is fine. It is there whole or not at all, and when this returns, all that it
 * needs is in one of the stores, and what is in this store stays there.
 * @returns whether it was not pinned under that name before
 * @throws StrataError PIN_EXISTS if the name is another lock's; BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID
 */
export async function addPin(store: Store, pin: Pin): Promise<boolean> {
  checkPinName(pin.name)
  await assertWritable(store)
  await keepReachable(store, pin) // a pin of what is not there would stop the collector
  const path = pinPath(store.root, pin.name)
  const isNew = await publish(store.root, path, formatPin(pin))
  if (!isNew && (await readPin(store.root, pin.name)).text !== pin.text)
    throw new StrataError('PIN_EXISTS', {
      message: `${pin.name} is the name of another pin`,
      facts: { file: path },
      hint: `compose pin --name ANOTHER_NAME, or compose pin --remove ${pin.name}`
    })
  try {
    await keepReachable(store, pin) // a collector that had not seen the pin may have been at work
  } catch (error) {
    if (isNew) await removePin(store, pin.name)
    throw error
  }
  return isNew
}

/** @throws StrataError PIN_UNKNOWN */
export async function removePin(store: Store, name: string): Promise<void> {
  await assertWritable(store)
  checkFolders(store.root)
  await unlink(pinPath(store.root, checkPinName(name))).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? unknownPin(store.root, name) : error
  })
  await syncFolder(join(store.root, PINS))
}

/** Names in byte order. @throws StrataError MANIFEST_INVALID for what is no pin; IO */
export function listPins(root: string): string[] {
  if (!checkFolders(root)) return []
  const faults: StrataError[] = []
  const names = listFolder(join(root, PINS), 'file', faults)
  const odd = names.find(name => !PIN_NAME.test(name))
  if (odd !== undefined) faults.push(notAPin(pinPath(root, odd), 'is not named as a pin'))
  if (faults.length > 0) throw faults[0]
  return names
}

/** @throws StrataError PIN_UNKNOWN, MANIFEST_INVALID, IO */
export async function readPin(root: string, name: string): Promise<Pin> {
  const path = pinPath(root, checkPinName(name))
  const status = checkFolders(root) ? lstatSync(path, { throwIfNoEntry: false }) : undefined
  if (status === undefined) throw unknownPin(root, name)
  if (!status.isFile()) throw notAPin(path, 'is not a file')
  if (status.size > MAX_PIN_BYTES) throw notAPin(path, `has ${status.size} bytes`)
  const text = await readFile(path, 'latin1').catch(cause => {
    throw unreadable(path, cause)
  })
  return parsePin(text, name, path)
}

/** Bytes as latin1: what was pinned comes back as it was. */
export function formatPin({ records, layers, text }: Pin): string {
  const lines = [
    ...records.map(id => `record ${formatCid(id)}`),
    ...layers.map(id => `layer ${formatCid(id)}`)
  ]
  return [FIRST_LINE, ...lines, '', text].join('\n')
}

function parsePin(file: string, name: string, path: string): Pin {
  const end = file.indexOf('\n\n')
  const [first, ...lines] = file.slice(0, Math.max(end, 0)).split('\n')
  if (first !== FIRST_LINE) throw notAPin(path, `does not begin with "${FIRST_LINE}" and an empty line below`)
  const pin: Pin = { name, records: [], layers: [], text: file.slice(end + 2) }
  for (const [i, line] of lines.entries()) {
    const [, kind, id] = /^(record|layer) (\S+)$/.exec(line) ?? []
    if (kind === undefined) throw notAPin(path, `says something else than an id in line ${i + 2}`)
    const cid = parseCid(id, DAG_JSON, `${path}, line ${i + 2}`)
    if (kind === 'record') pin.records.push(cid)
    else pin.layers.push(cid)
  }
  return pin
}

async function publish(root: string, path: string, text: string): Promise<boolean> {
  checkFolders(root)
  const file = await TemporaryFile.create(root)
  try {
    await file.handle.writeFile(text, 'latin1')
    return await file.publish(path)
  } finally {
    await file.discard()
  }
}

const pinPath = (root: string, name: string): string => join(root, PINS, name)

/** @throws StrataError MANIFEST_INVALID if one is a link */
const checkFolders = (root: string): boolean => [join(root, 'refs'), join(root, PINS)].every(isFolder)

function unknownPin(root: string, name: string): StrataError {
  const pins = listPins(root)
  return new StrataError('PIN_UNKNOWN', {
    message: `nothing is pinned under the name ${name}`,
    facts: pins.length === 0 ? { store: root } : { pins },
    hint: 'compose pin --list'
  })
}

const notAPin = (path: string, fault: string): StrataError =>
  new StrataError('MANIFEST_INVALID', {
    message: `${path} ${fault}`,
    facts: { file: path },
    hint: 'pin the lock again, or move the file away'
  })
