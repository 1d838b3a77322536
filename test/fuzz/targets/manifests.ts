import * as assert from 'uvu/assert'
import { compressorVersion, IMAGE_FORMAT } from '../../../compose/stack/image-parameters.ts'
import { formatLayerList, parseLayerList } from '../../../compose/stack/layer-list.ts'
import { formatLock, parseLock } from '../../../compose/stack/lock-file.ts'
import { decodeSidecar } from '../../../store/acl/sidecar-decode.ts'
import { encodeSidecar } from '../../../store/acl/sidecar-encode.ts'
import { decodeLayerManifest, encodeLayerManifest } from '../../../store/module/layer-manifest.ts'
import { decodeRecord, encodeRecord } from '../../../store/module/record.ts'
import { blobCid, digestOf, formatCid, manifestCid } from '../../../store/values/digest.ts'
import { specExample, specText } from '../../helpers/spec-example.ts'
import type { FuzzTarget } from '../target.ts'
import { changedJson, changedText, ODD_VALUES } from './bytes.ts'

const LAYER = manifestCid(Buffer.from('layer'))
const BLOB = blobCid(digestOf(Buffer.from('blob')))
const IDS = [formatCid(LAYER), formatCid(BLOB)]
const VALUES = [...ODD_VALUES, ...IDS, { '/': IDS[0] }, { '/': IDS[1] }, { '/': { bytes: 'AAE' } }]

/** An accepted manifest must be written again as the same bytes. */
const manifest = <T>(
  name: string,
  seeds: () => Uint8Array[],
  decode: (bytes: Uint8Array) => T,
  encode: (value: T) => Uint8Array
): FuzzTarget => ({
  name,
  seeds,
  words: ['{"/":"', '"path":', '\\u0000', '[', '{', ...IDS],
  mutate: (bytes, random) => changedJson(bytes, random, VALUES),
  execute(bytes) {
    assert.ok(Buffer.from(encode(decode(bytes))).equals(bytes), 'one manifest has one encoding')
  }
})

export const layerTarget = manifest(
  'layer',
  () => [
    Buffer.from(specExample('module.md', 'layer').trim()),
    encodeLayerManifest({
      tar: BLOB,
      sidecar: LAYER,
      parent: LAYER,
      captured: true,
      entries: 3,
      bytes: 9,
      prefix: 'caf\xe9'
    })
  ],
  bytes => decodeLayerManifest(bytes, 'fuzz'),
  encodeLayerManifest
)

export const recordTarget = manifest(
  'record',
  () => [Buffer.from(specExample('module.md', 'record').trim())],
  bytes => decodeRecord(bytes, 'fuzz'),
  encodeRecord
)

export const sidecarTarget = manifest(
  'sidecar',
  () => [Buffer.from(/```json\n(\{.*\})\n```/.exec(specText('sidecar.md'))![1])],
  decodeSidecar,
  encodeSidecar
)

const LOCK = {
  modules: [
    { name: 'base/debian-12', record: LAYER, layers: [LAYER] },
    { layers: [LAYER, LAYER], captured: true as const }
  ],
  parameters: {
    format: IMAGE_FORMAT,
    compressorVersion: compressorVersion('zstd'),
    profile: { compressor: 'zstd' as const, level: 15, blockSize: 131072 },
    audience: 'everyone',
    aclModes: 'audience' as const,
    onConflict: 'error' as const,
    bare: false
  },
  treeDigest: 'ab'.repeat(32)
}

export const lockTarget: FuzzTarget = {
  name: 'lock',
  seeds: () => [Buffer.from(formatLock(LOCK))],
  words: ['"layers":', '"strata":"lock"', ...IDS],
  mutate: (bytes, random) => changedJson(bytes, random, VALUES),
  execute(bytes) {
    const lock = parseLock(bytes.toString('utf8'), 'fuzz')
    const text = formatLock(lock)
    assert.is(formatLock(parseLock(text, 'fuzz')), text)
  }
}

export const layerListTarget: FuzzTarget = {
  name: 'layer-list',
  seeds: () => [Buffer.from(formatLayerList(LOCK.modules)), Buffer.from(`# bare\n${IDS[0]}\n${IDS[0]}\n`)],
  words: [...IDS, '-', 'captured', '#', 'app/x-1'],
  mutate: (bytes, random) => changedText(bytes, random, [...IDS, '-', 'captured', 'app/x-1', '../x']),
  execute(bytes) {
    const text = formatLayerList(parseLayerList(bytes.toString('utf8'), 'fuzz'))
    assert.is(formatLayerList(parseLayerList(text, 'fuzz')), text)
  }
}
