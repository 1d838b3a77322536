/** `compose pin`: makes the store keep the layers of a lock or a layer list (spec/store-layout.md#pins). */

import { readFile, stat } from 'node:fs/promises'
import type { CID } from 'multiformats/cid'
import type { Pin } from '../../store/gc/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { digestOf, formatCid, StrataError, systemWords } from '../../store/values/index.ts'
import type { ChosenModule } from './chosen-module.ts'
import { looksLikeLayerList, parseLayerList } from './layer-list.ts'
import { looksLikeLock, parseLock } from './lock-file.ts'

/** The same limit as for targets of `compose build`. */
const MAX_TEXT_BYTES = 16 << 20

export interface PinnedFile {
  pin: Pin
  isNew: boolean
}

/**
 * @param name of the pin; by default the SHA-256 of the file
 * @throws StrataError IO, LOCK_INVALID; as addPin
 */
export async function pinFile(store: Repository, file: string, name?: string): Promise<PinnedFile> {
  const bytes = await readText(file)
  const modules = parse(bytes.toString('utf8'), file)
  const pin: Pin = {
    name: name ?? digestOf(bytes),
    records: distinct(modules.flatMap(({ record }) => record ?? [])),
    layers: distinct(modules.flatMap(({ layers }) => layers)),
    text: bytes.toString('latin1')
  }
  return { pin, isNew: await store.addPin(pin) }
}

async function readText(file: string): Promise<Buffer> {
  try {
    const { size } = await stat(file)
    if (size > MAX_TEXT_BYTES)
      throw new StrataError('LOCK_INVALID', { message: `${file} is larger than 16 MiB` })
    return await readFile(file)
  } catch (cause) {
    if (cause instanceof StrataError) throw cause
    throw new StrataError('IO', {
      message: `${file} cannot be read: ${systemWords(cause as Error)}`,
      hint: 'compose lock writes a lock',
      cause
    })
  }
}

function parse(text: string, file: string): ChosenModule[] {
  if (looksLikeLock(text)) return parseLock(text, file).modules
  if (looksLikeLayerList(text)) return parseLayerList(text, file)
  throw new StrataError('LOCK_INVALID', {
    message: `${file} is neither a lock nor a layer list`,
    hint: 'compose lock, or compose list --layers'
  })
}

const distinct = (ids: CID[]): CID[] => [...new Map(ids.map(id => [formatCid(id), id])).values()]
