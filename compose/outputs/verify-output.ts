/**
 * `compose verify`: checks an image, a sandbox, a lock or a module as far as that is possible here, says what could not
 * be checked, and who signed what. If the stores have the layers of an image, it is linked again and compared, because
 * nothing weaker proves it.
 */

import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeOwnFolder } from '../../store/disk/index.ts'
import { formatModuleName } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { count, countThatAre, formatCid, StrataError, sha256Of } from '../../store/values/index.ts'
import {
  describeImage,
  type ImageDescription,
  imageAsLayer,
  type OpenImage,
  openImage,
  readEverything,
  readImageFile
} from '../inspect/index.ts'
import { mergeLayers, treeDigest } from '../merge/index.ts'
import { generatedPaths } from '../runtime-files/index.ts'
import type { ChosenModule, Lock } from '../stack/index.ts'
import { buildImage } from './build-image.ts'
import { checkGenerated } from './check-generated.ts'
import { fileDigest, rangeDigest } from './composition.ts'
import { readLock } from './resolve-target.ts'
import { assertUnprovenAccepted } from './unproven-image.ts'
import { newReport, type VerifyReport } from './verify-report.ts'
import { checkBeside } from './verify-sif.ts'
import { addLockSigner, addSigners } from './verify-signers.ts'

export interface VerifyImageOptions {
  /** A lock that the image has to be built from. */
  lock?: string
}

/** @throws StrataError for the first fault */
export async function verifyImage(
  store: Repository | undefined,
  path: string,
  { lock }: VerifyImageOptions = {}
): Promise<VerifyReport> {
  const report = newReport(path)
  const image = await openImage(path)
  try {
    const released = lock === undefined ? undefined : await readReleased(store, lock, report)
    if (released !== undefined && (await isImageOfLock(store, image, released, report))) return report
    const { names, fileBytes } = readEverything(image.reader)
    report.checked.push(`${names} names and ${fileBytes} bytes of files can be read`)
    const description = describeImage(image)
    if (description === undefined) {
      report.unchecked.push('there is no /.compose folder, so nothing says what the image should hold')
      await assertUnprovenAccepted(store, path, { modules: [] })
      return report
    }
    checkBeside(image, report)
    report.checked.push(`records of ${count(description.modules.length, 'module')} match their ids`)
    if (released !== undefined) compareLocks(image, released, description.lock, report)
    const isTreeOfLock = checkTree(image, description, report)
    const isProvenHere = await compareWithStore(store, image, description.lock, report)
    if (!isTreeOfLock && !isProvenHere) report.unchecked.push(OTHER_TREE)
    const isReleased = released?.isSigned === true && isTreeOfLock
    if (!isProvenHere && !isReleased) await assertUnprovenAccepted(store, path, description.lock)
    await addSigners(
      store,
      description.modules.map(({ name, id, bytes }) => ({ name, record: id, bytes })),
      report
    )
    return report
  } finally {
    await image.close()
  }
}

/** A lock that somebody handed over with an image. */
interface ReleasedLock {
  file: string
  lock: Lock
  /** By a key that a policy lists. */
  isSigned: boolean
}

async function readReleased(
  store: Repository | undefined,
  file: string,
  report: VerifyReport
): Promise<ReleasedLock> {
  const lock = await readLock(file)
  return { file, lock, isSigned: await addLockSigner(store, file, await readFile(file), report) }
}

/** The fast way: a lock with the digest of the image. @returns true if the lock has one, and nothing is left to check */
async function isImageOfLock(
  store: Repository | undefined,
  image: OpenImage,
  { file: lockFile, lock, isSigned }: ReleasedLock,
  report: VerifyReport
): Promise<boolean> {
  if (lock.imageDigest === undefined) return false
  const found = await rangeDigest(image)
  if (found !== lock.imageDigest)
    throw new StrataError('LOCK_MISMATCH', {
      message: `${image.path} has sha256:${found}, but ${lockFile} names sha256:${lock.imageDigest}`,
      facts: { image: image.path, lock: lockFile },
      hint: `compose verify ${image.path}`
    })
  report.checked.push(`it is, byte for byte, the image that ${lockFile} names: sha256:${found}`)
  checkBeside(image, report)
  if (!isSigned) await assertProvenOrAccepted(store, image, lock)
  const inImage = new Map(describeImage(image)?.modules.map(({ id, bytes }) => [formatCid(id), bytes]))
  const named = lock.modules.flatMap(({ name, record }) =>
    name && record ? [{ name, record, bytes: inImage.get(formatCid(record)) }] : []
  )
  await addSigners(store, named, report)
  return true
}

/** Anybody can write a lock with signed records and the digest of another image. */
async function assertProvenOrAccepted(
  store: Repository | undefined,
  image: OpenImage,
  lock: Lock
): Promise<void> {
  try {
    await assertUnprovenAccepted(store, image.path, lock)
  } catch (error) {
    if (!(await isProven(store, image, lock))) throw error
  }
}

function compareLocks(
  image: OpenImage,
  { file, lock: wanted }: ReleasedLock,
  found: Lock,
  report: VerifyReport
): void {
  const [{ treeDigest: a }, { treeDigest: b }] = [wanted, found]
  const isSame = a === b && idsIn(wanted) === idsIn(found)
  if (!isSame)
    throw new StrataError('LOCK_MISMATCH', {
      message: `the lock in ${image.path} names other layers or another tree than ${file}`,
      facts: { image: image.path, lock: file },
      hint: `compose diff ${file} ${image.path}`
    })
  report.checked.push(`the lock in it names the layers and the tree of ${file}`)
}

const idsIn = ({ modules }: Lock): string =>
  JSON.stringify(modules.map(({ record, layers }) => [record && formatCid(record), layers.map(formatCid)]))

const OTHER_TREE =
  'that its tree is the one of its lock: the digests differ, as they do for files whose times have fractions of a second, which images do not keep'

/**
 * The tree that the file really has, and the files about itself.
 * @returns true if the tree is the one of the lock
 * @throws StrataError IMAGE_INVALID
 */
function checkTree(image: OpenImage, description: ImageDescription, report: VerifyReport): boolean {
  const isGenerated = generatedPaths(readImageFile(image, '.compose/owners'))
  const index = imageAsLayer(image, isGenerated)
  const tree = mergeLayers([{ index, module: 0, name: image.path, role: 'module' }])
  const compared = checkGenerated(image, description, tree, isGenerated)
  report.checked.push(`${compared} generated paths (labels, environment, records) are those of its lock`)
  const found = treeDigest(tree).toString('hex')
  const isSame = found === description.lock.treeDigest
  if (isSame) report.checked.push(`its tree is the one of its lock: sha256:${found}`)
  return isSame
}

/** @returns true if the stores could tell */
async function compareWithStore(
  store: Repository | undefined,
  image: OpenImage,
  lock: Lock,
  report: VerifyReport
): Promise<boolean> {
  const missing = store === undefined ? [] : await missingLayers(store, lock)
  if (store === undefined || missing.length > 0) {
    report.unchecked.push(
      `that it is the image of its lock: ${store === undefined ? 'there is no store' : `no store has ${missing.join(', ')}`}`
    )
    return false
  }
  const found = await assertImageOfLock(store, image, lock)
  report.checked.push(`it is, byte for byte, the image of its lock: sha256:${found}`)
  return true
}

/** Links the image of a lock again, and compares. @returns the digest of both. @throws StrataError LOCK_MISMATCH */
async function assertImageOfLock(store: Repository, image: OpenImage, lock: Lock): Promise<string> {
  const { path } = image
  const found = await rangeDigest(image)
  const wanted = await rebuiltDigest(store, path, lock)
  if (found === wanted) return found
  throw new StrataError('LOCK_MISMATCH', {
    message: `${path} has sha256:${found}, but an image of its lock has sha256:${wanted}`,
    facts: { compressor: lock.parameters.compressorVersion },
    hint: `compose diff ${path} LOCK`
  })
}

/** True if the stores prove that the file is the image of the lock in it. */
export async function isProven(
  store: Repository | undefined,
  image: OpenImage,
  lock: Lock
): Promise<boolean> {
  if (store === undefined || (await missingLayers(store, lock)).length > 0) return false
  await assertImageOfLock(store, image, lock)
  return true
}

/** @throws StrataError for the first fault */
export async function verifyLock(store: Repository | undefined, path: string): Promise<VerifyReport> {
  const report = newReport(path)
  const lock = await readLock(path)
  await addLockSigner(store, path, await readFile(path), report)
  if (store === undefined) {
    report.unchecked.push('its layers: there is no store')
    return report
  }
  await refuseMissing(store, path, lock.modules)
  report.checked.push(`${await readBlobs(store, lock.modules)} blobs match their hashes`)
  const digest = await rebuiltDigest(store, path, lock)
  if (lock.treeDigest) report.checked.push(`the merged tree has sha256:${lock.treeDigest}`)
  if (lock.imageDigest) report.checked.push(`the image has sha256:${digest}`)
  else report.unchecked.push(`the lock has no image digest; an image of it has sha256:${digest}`)
  const named = lock.modules.flatMap(({ name, record }) => (name && record ? [{ name, record }] : []))
  await addSigners(store, named, report)
  return report
}

/** @param word the name of a module, or the id of a record. @throws StrataError for the first fault */
export async function verifyModule(store: Repository, word: string): Promise<VerifyReport> {
  const { name, record } = await store.findRecord(word)
  const report = newReport(formatModuleName(name))
  const { layers } = await store.readRecord(record)
  const modules = [{ record, layers }]
  await refuseMissing(store, report.name, modules)
  report.checked.push(`${await readBlobs(store, modules)} blobs match their hashes`)
  await addSigners(store, [{ name: report.name, record }], report)
  return report
}

async function refuseMissing(
  store: Repository,
  name: string,
  modules: Pick<ChosenModule, 'layers'>[]
): Promise<void> {
  const missing = await missingLayers(store, { modules })
  if (missing.length === 0) return
  throw new StrataError('BLOB_MISSING', {
    message: `${countThatAre(missing.length, 'layer')} of ${name} in none of the stores`,
    facts: { layers: missing, stores: store.searched.map(({ root }) => root) },
    hint: 'set COMPOSE_PATH to stores that have them'
  })
}

async function missingLayers(
  store: Repository,
  { modules }: { modules: Pick<ChosenModule, 'layers'>[] }
): Promise<string[]> {
  const missing: string[] = []
  for (const { layers } of modules)
    for (const layer of layers)
      if (store.findBlob(sha256Of(layer)) === undefined) missing.push(formatCid(layer))
  return missing
}

async function readBlobs(
  store: Repository,
  modules: Pick<ChosenModule, 'record' | 'layers'>[]
): Promise<number> {
  let blobs = 0
  for (const { record, layers } of modules) {
    const manifests = await Promise.all(layers.map(layer => store.readLayer(layer)))
    for (const cid of [record, ...layers, ...manifests.flatMap(({ tar, sidecar }) => [tar, sidecar])]) {
      if (cid === undefined) continue
      for await (const _ of store.readBlob(sha256Of(cid), 'none')) {
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
