/**
 * `compose verify`: checks that an image is, byte for byte, the image of its lock, or that a lock can be built from
 * this store. If the store has the layers, the image is linked again and compared, because nothing weaker proves it.
 */

import { createReadStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeOwnFolder } from '../../store/disk/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { count, countThatAre, formatCid, StrataError, sha256Of } from '../../store/values/index.ts'
import { describeImage, type OpenImage, openImage, readEverything } from '../inspect/index.ts'
import type { Lock } from '../stack/index.ts'
import { buildImage } from './build-image.ts'
import { fileDigest } from './composition.ts'
import { readLock } from './resolve-target.ts'

export interface VerifyReport {
  name: string
  /** Facts that were found right, one per line. */
  checked: string[]
  /** Facts that could not be checked, and why. */
  unchecked: string[]
}

/** @throws StrataError for the first fault */
export async function verifyImage(store: Repository | undefined, path: string): Promise<VerifyReport> {
  const report: VerifyReport = { name: path, checked: [], unchecked: [] }
  const image = await openImage(path)
  try {
    const { names, fileBytes } = readEverything(image.reader)
    report.checked.push(`${names} names and ${fileBytes} bytes of files can be read`)
    const description = describeImage(image)
    if (description === undefined) {
      report.unchecked.push('there is no /.compose folder, so nothing says what the image should hold')
      return report
    }
    report.checked.push(`records of ${count(description.modules.length, 'module')} match their ids`)
    await compareWithStore(store, image, description.lock, report)
    return report
  } finally {
    await image.close()
  }
}

async function compareWithStore(
  store: Repository | undefined,
  image: OpenImage,
  lock: Lock,
  report: VerifyReport
): Promise<void> {
  const missing = store === undefined ? [] : await missingLayers(store, lock)
  if (store === undefined || missing.length > 0) {
    report.unchecked.push(
      `that it is the image of its lock: ${store === undefined ? 'there is no store' : `no store has ${missing.join(', ')}`}`
    )
    return
  }
  const found = await fileDigest(createReadStream(image.path, { highWaterMark: 1 << 20 }))
  const wanted = await rebuiltDigest(store, image.path, lock)
  if (found !== wanted)
    throw new StrataError('LOCK_MISMATCH', {
      message: `${image.path} has sha256:${found}, but an image of its lock has sha256:${wanted}`,
      facts: { compressor: lock.parameters.compressorVersion },
      hint: `compose diff ${image.path} LOCK`
    })
  report.checked.push(`it is, byte for byte, the image of its lock: sha256:${found}`)
}

/** @throws StrataError for the first fault */
export async function verifyLock(store: Repository, path: string): Promise<VerifyReport> {
  const lock = await readLock(path)
  const report: VerifyReport = { name: path, checked: [], unchecked: [] }
  const missing = await missingLayers(store, lock)
  if (missing.length > 0)
    throw new StrataError('BLOB_MISSING', {
      message: `${countThatAre(missing.length, 'layer')} of ${path} in none of the stores`,
      facts: { layers: missing, stores: store.searched.map(({ root }) => root) },
      hint: 'set COMPOSE_PATH to stores that have them'
    })
  report.checked.push(`${await readBlobs(store, lock)} blobs match their hashes`)
  const digest = await rebuiltDigest(store, path, lock)
  if (lock.treeDigest) report.checked.push(`the merged tree has sha256:${lock.treeDigest}`)
  if (lock.imageDigest) report.checked.push(`the image has sha256:${digest}`)
  else report.unchecked.push(`the lock has no image digest; an image of it has sha256:${digest}`)
  return report
}

async function missingLayers(store: Repository, { modules }: Lock): Promise<string[]> {
  const missing: string[] = []
  for (const { layers } of modules)
    for (const layer of layers)
      if (store.findBlob(sha256Of(layer)) === undefined) missing.push(formatCid(layer))
  return missing
}

async function readBlobs(store: Repository, { modules }: Lock): Promise<number> {
  let blobs = 0
  for (const { record, layers } of modules) {
    const manifests = await Promise.all(layers.map(layer => store.readLayer(layer)))
    for (const cid of [record, ...layers, ...manifests.flatMap(({ tar, sidecar }) => [tar, sidecar])]) {
      if (cid === undefined) continue
      for await (const _ of store.readBlob(sha256Of(cid))) {
        // reading is the check
      }
      blobs++
    }
  }
  return blobs
}

/** Links the image of a lock into a temporary file. @throws StrataError LOCK_MISMATCH as build does */
async function rebuiltDigest(store: Repository, name: string, lock: Lock): Promise<string> {
  const folder = makeOwnFolder(process.env.TMPDIR ?? tmpdir(), 'compose-verify-')
  try {
    const out = join(folder.path, 'image.sqfs')
    const target = { name, modules: lock.modules, lock }
    await buildImage(store, target, { out, sync: false, verify: true, isDiscarded: true })
    return await fileDigest(createReadStream(out, { highWaterMark: 1 << 20 }))
  } finally {
    folder.remove()
  }
}
