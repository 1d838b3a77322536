/**
 * Pins: locks and layer lists for which `compose gc` keeps everything (spec/store-layout.md#pins). `refs/pins/<name>`
 * is a file: ids, an empty line, the text as it was given.
 */

import { assertWritable, type Store, type StorePath, storeFolder, TemporaryFile } from '../files/index.ts'
import { listFolder, readRefText } from '../module/index.ts'
import { DAG_JSON, formatCid, parseCid, StrataError, typedPath } from '../values/index.ts'
import { keepReachable } from './keep.ts'
import type { Roots } from './reach.ts'

export const PINS = 'refs/pins'

const FIRST_LINE = 'strata pin 1'
const PIN_NAME = /^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$/
/** Limit on pins: a lock of 10,000 modules with as many layers has some 4 MiB. */
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
    message: `${JSON.stringify(name)} is not a pin name, wanted up to 128 of A-Z a-z 0-9 . _ + -`,
    hint: '--name chemistry-2026'
  })
}

/**
 * Keeps everything that a lock needs. Doing so twice is fine. The pin is there whole or not at all. When this returns,
 * everything needed is in one of the stores, and files in this store stay there.
 * @returns true if it was not pinned under that name before
 * @throws StrataError PIN_EXISTS if the name belongs to another lock; BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID
 */
export async function addPin(store: Store, pin: Pin): Promise<boolean> {
  checkPinName(pin.name)
  await assertWritable(store)
  await keepReachable(store, pin) // a pin of missing files would stop the collector
  const path = pinPath(pin.name)
  const isNew = await publish(store.root, path, formatPin(pin))
  if (!isNew && (await readPin(store.root, pin.name)).text !== pin.text)
    throw new StrataError('PIN_EXISTS', {
      message: `${pin.name} is the name of another pin`,
      facts: { file: storeFolder(store.root).displayPath(path) },
      hint: `compose pin --name ANOTHER_NAME, or compose pin --remove ${pin.name}`
    })
  try {
    await keepReachable(store, pin) // a collector that had not seen the pin may have removed files
  } catch (error) {
    if (isNew) await removePin(store, pin.name)
    throw error
  }
  return isNew
}

/** @throws StrataError PIN_UNKNOWN */
export async function removePin(store: Store, name: string): Promise<void> {
  await assertWritable(store)
  const folder = storeFolder(store.root)
  if (!folder.remove(pinPath(checkPinName(name)))) throw unknownPin(store.root, name)
  await folder.sync(PINS)
}

/** Names in byte order. @throws StrataError MANIFEST_INVALID for entries that are not pins; IO */
export function listPins(root: string): string[] {
  const faults: StrataError[] = []
  const names = listFolder(root, PINS, 'file', faults)
  const odd = names.find(name => !PIN_NAME.test(name))
  if (odd !== undefined)
    faults.push(notAPin(storeFolder(root).displayPath(pinPath(odd)), 'is not named as a pin'))
  if (faults.length > 0) throw faults[0]
  return names
}

/** @throws StrataError PIN_UNKNOWN, MANIFEST_INVALID, IO */
export async function readPin(root: string, name: string): Promise<Pin> {
  const path = pinPath(checkPinName(name))
  const bytes = readRefText(root, path, { mostBytes: MAX_PIN_BYTES, refuse: notAPin })
  if (bytes === undefined) throw unknownPin(root, name)
  return parsePin(bytes.toString('latin1'), name, storeFolder(root).displayPath(path))
}

/** Bytes as latin1, so that the pinned text is returned unchanged. */
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
    if (kind === undefined) throw notAPin(path, `has something other than an id in line ${i + 2}`)
    const cid = parseCid(id, DAG_JSON, `${path}, line ${i + 2}`)
    if (kind === 'record') pin.records.push(cid)
    else pin.layers.push(cid)
  }
  return pin
}

async function publish(root: string, path: StorePath, text: string): Promise<boolean> {
  const file = TemporaryFile.create(root)
  try {
    await file.handle.writeFile(text, 'latin1')
    return await file.publish(path)
  } finally {
    await file.discard()
  }
}

const pinPath = (name: string): StorePath => `${PINS}/${name}`

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
    hint: `mv ${typedPath(path)} ~; if it holds a lock that is needed, pin that again`
  })
