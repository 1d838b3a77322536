import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { imageAsLayer } from '../../../compose/inspect/image-layer.ts'
import { listImage } from '../../../compose/inspect/list-image.ts'
import { readEverything } from '../../../compose/inspect/read-everything.ts'
import { mergeLayers } from '../../../compose/merge/merge-layers.ts'
import { walk } from '../../../compose/merge/walk-tree.ts'
import { readSandbox } from '../../../compose/sandbox/read-sandbox.ts'
import { decodeRecord, encodeRecord } from '../../../compose/sandbox/sandbox-record.ts'
import { writeSandbox } from '../../../compose/sandbox/write-sandbox.ts'
import { ImageReader } from '../../../compose/squashfs/reader.ts'
import { checkIndex } from '../../../store/object/check-index.ts'
import { decodeIndex, encodeIndex } from '../../../store/object/layer-index.ts'
import { readRecipe, reconstructTar } from '../../../store/object/recipe.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { compile } from '../../compose/helpers/compile.ts'
import type { Random } from '../../compose/helpers/random-layer.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bytesOfDump, specExample } from '../../helpers/spec-example.ts'
import { modelImage } from '../../reject/image-bytes.ts'
import { described, directory, symlink, tar } from '../../reject/make.ts'
import type { FuzzTarget } from '../target.ts'
import { EDGES, pick } from './bytes.ts'

/** These decoders say what is wrong by a RangeError, which those who call them turn into an error with a code. */
const asRefusal = <T>(decode: () => T): T => {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof RangeError) || error.name !== 'RangeError' || 'code' in error) throw error
    throw new StrataError('OBJECT_CORRUPT', { message: error.message, cause: error })
  }
}

function number(bytes: Buffer, random: Random, from: number, to: number): void {
  const at = from + 4 * random(Math.max(1, Math.floor((to - from - 8) / 4)))
  if (at < 8 || at + 8 > bytes.length) return
  if (random(3) === 0) bytes.writeDoubleLE(pick(random, [...EDGES, -1, 2 ** 52, Number.NaN]), at - (at % 8))
  else bytes.writeUInt32LE(pick(random, EDGES), at)
}

/** Numbers change, and the hash at the end is made right again. */
const rehashed =
  (from: number) =>
  (bytes: Buffer, random: Random): Buffer => {
    if (bytes.length < from + 64) return bytes
    const copy = Buffer.from(bytes)
    for (let i = 1 + random(3); i > 0; i--) number(copy, random, from, copy.length - 32)
    createHash('sha256')
      .update(copy.subarray(0, -32))
      .digest()
      .copy(copy, copy.length - 32)
    return copy
  }

/** At a multiple of 8, as decoders want it. */
const aligned = (bytes: Buffer): Buffer => {
  const copy = Buffer.from(new ArrayBuffer(bytes.length))
  bytes.copy(copy)
  return copy
}

const small = () =>
  compile(tar(directory('d/'), 'd/x', symlink('l', 'd'), described({ 'SCHILY.xattr.user.a': 'v' }, 'm')))

export const indexTarget: FuzzTarget = {
  name: 'index',
  seeds: async () => [encodeIndex((await small()).index)],
  mutate: rehashed(8),
  execute(bytes) {
    const index = asRefusal(() => decodeIndex(aligned(bytes)))
    asRefusal(() => checkIndex(index))
    const tree = mergeLayers([{ index, module: 0, name: 'fuzz', role: 'module' }])
    let count = 0
    for (const _ of walk(tree)) assert.ok(++count < 100_000, 'a walk ends')
    void encodeIndex(index)
  }
}

const folder = scratch()

export const recipeTarget: FuzzTarget = {
  name: 'recipe',
  seeds: () => [bytesOfDump(specExample('store-layout.md', 'recipe'))],
  mutate(bytes, random) {
    const copy = Buffer.from(bytes)
    if (copy.length > 128) number(copy, random, copy.length - 112, copy.length - 64)
    return copy
  },
  async execute(bytes) {
    const path = join(folder, 'recipe')
    const data = join(folder, 'data')
    writeFileSync(path, bytes)
    writeFileSync(data, bytesOfDump(specExample('store-layout.md', 'data')))
    const file = await open(path)
    const dataFd = openSync(data, 'r')
    try {
      const recipe = await readRecipe(file)
      let sizeBytes = 0
      for await (const piece of reconstructTar(recipe, file, dataFd)) {
        sizeBytes += piece.length
        assert.ok(sizeBytes < 1 << 26, 'a recipe ends')
      }
    } catch (error) {
      // Readers report any error of a recipe as BLOB_CORRUPT; here it must not be a programming mistake.
      if (error instanceof RangeError && !('code' in error))
        throw new StrataError('BLOB_CORRUPT', { message: (error as Error).message, cause: error })
      throw error
    } finally {
      await file.close()
      closeSync(dataFd)
    }
  }
}

export const squashfsTarget: FuzzTarget = {
  name: 'squashfs',
  seeds: async () => [await modelImage()],
  mutate(bytes, random) {
    const copy = Buffer.from(bytes)
    if (copy.length < 8192) return copy
    if (random(3) === 0) number(copy, random, 0, 96)
    else {
      // Changes bytes after the data: tables, none of them packed.
      const start = Number(copy.readBigUInt64LE(64))
      if (start < copy.length) number(copy, random, start, copy.length)
      else copy.writeBigUInt64LE(BigInt(copy.length - 4096), 64)
    }
    return copy
  },
  execute(bytes) {
    const path = 'fuzz.sqfs'
    const reader = new ImageReader(bytes, path)
    readEverything(reader)
    const sizes = { sizeBytes: bytes.length, startInFile: 0, lengthBytes: bytes.length }
    const image = { path, reader, fd: -1, ...sizes, close: async () => {} }
    for (const _ of listImage(image, '', true));
    const index = imageAsLayer(image, () => false)
    mergeLayers([{ index, module: 0, name: 'image', role: 'module' }])
  }
}

let sandbox: Promise<{ directory: string; record: string }> | undefined

/** A sandbox, and the path of its record. */
async function makeSandbox(): Promise<{ directory: string; record: string }> {
  const { index, data } = await small()
  const tree = mergeLayers([{ index, module: 0, name: 'small', role: 'module' }])
  const directory = join(folder, 'sandbox')
  await writeSandbox(tree, [data], directory, { recordOnly: true, lock: '{}' })
  return { directory, record: join(directory, '.compose/sandbox/record') }
}

const theSandbox = () => {
  sandbox ??= makeSandbox()
  return sandbox
}

export const sandboxRecordTarget: FuzzTarget = {
  name: 'sandbox-record',
  seeds: async () => [readFileSync((await theSandbox()).record)],
  mutate: rehashed(8),
  async execute(bytes) {
    const { directory, record: path } = await theSandbox()
    const record = asRefusal(() => decodeRecord(aligned(bytes)))
    asRefusal(() => decodeRecord(aligned(encodeRecord(record))))
    // Read in its directory, and compared with the files there.
    writeFileSync(path, bytes)
    for (const whole of [false, true]) readSandbox(directory, { whole, checkContents: true })
  }
}
