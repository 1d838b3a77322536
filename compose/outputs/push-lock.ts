/** `compose push LOCK`: a lock, all its modules, and an image that other engines run (spec/registry.md#locks). */
import { createReadStream } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeOwnFolder } from '../../store/disk/index.ts'
import type { PushedBlob } from '../../store/registry/index.ts'
import type { PushedStack, PushModuleOptions, SentImage, SentStack } from '../../store/remote/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import type { LayerCompression } from '../oci/index.ts'
import { looksLikeLock } from '../stack/index.ts'
import { buildOci } from './build-oci.ts'
import type { PushPlace } from './push-image.ts'
import type { Target } from './resolve-target.ts'
import { signatureBeside, signatureOfLock } from './sign-target.ts'

export interface PushLockOptions extends PushModuleOptions {
  /** Compression of the image's layers; undefined leaves the image out. */
  layers?: LayerCompression
}

const SNIFFED_BYTES = 4096

/** True for a file that begins as a lock does. */
export async function isLockFile(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined)
  if (file === undefined) return false
  try {
    const start = Buffer.alloc(SNIFFED_BYTES)
    const { bytesRead } = await file.read(start, 0, SNIFFED_BYTES, 0)
    return looksLikeLock(start.toString('latin1', 0, bytesRead))
  } catch {
    return false // a folder
  } finally {
    await file.close()
  }
}

/**
 * @param target that the lock at `path` names, whole in the stores
 * @throws StrataError USAGE for layers without a record; as buildOci and pushModule
 */
export async function pushLock(
  store: Repository,
  target: Target,
  { path, place }: { path: string; place: PushPlace },
  options: PushLockOptions
): Promise<PushedStack> {
  const records = target.modules.map(({ record, name }) => {
    if (record !== undefined) return record
    throw new StrataError('USAGE', {
      message: `${path} names ${name ?? 'layers'} without a record, which no registry can send on`,
      hint: 'compose import makes a module of a sandbox or tarball; then compose lock again'
    })
  })
  const lock = await readFile(path).catch(error => {
    throw new StrataError('IO', { message: `${path} cannot be read`, facts: { file: path }, cause: error })
  })
  const signature = await soundSignature(path, lock)
  const { path: folder, remove } = makeOwnFolder(tmpdir(), 'strata-push-')
  try {
    const { layers, internal } = options
    const image = layers && (await buildImage(store, target, join(folder, 'image'), { layers, internal }))
    const isLimited = target.lock?.parameters.audience !== 'everyone'
    const sent = { lock, records, ...(image && { image }), ...(signature && { signature }), isLimited }
    return await store.pushStack(sent, place, options)
  } finally {
    remove()
  }
}

/** @throws StrataError SIGNATURE_INVALID for a file beside the lock that is no signature of it */
async function soundSignature(path: string, lock: Buffer): Promise<SentStack['signature']> {
  const found = await signatureOfLock(path, lock)
  if (found === undefined) return undefined
  const file = signatureBeside(path)
  if (found.key !== undefined && found.fault === undefined)
    return { key: found.key, bytes: await readFile(file) }
  throw new StrataError('SIGNATURE_INVALID', {
    message: `${file} does not sign ${path} as it is: ${found.fault ?? 'it has no key'}`,
    facts: { file },
    hint: `compose sign ${path}, or remove ${file}`
  })
}

async function buildImage(
  store: Repository,
  target: Target,
  out: string,
  { layers: compression, internal }: { layers: LayerCompression; internal: boolean }
): Promise<SentImage> {
  const asked = { sync: false, verify: false, internal, cache: true }
  const { manifest, config, layers, architecture } = await buildOci(store, target, {
    ...asked,
    out,
    tag: 'latest',
    compression
  })
  const blob = ({ digest, size }: { digest: string; size: number }): PushedBlob => ({
    digest,
    sizeBytes: size,
    chunks: () => createReadStream(pathOf(out, digest), { highWaterMark: 1 << 20 })
  })
  return {
    bytes: await readFile(pathOf(out, manifest.digest)),
    blobs: [blob(config), ...layers.map(blob)],
    platform: { os: 'linux', architecture }
  }
}

const pathOf = (layout: string, digest: string): string => join(layout, 'blobs', digest.replace(':', '/'))
