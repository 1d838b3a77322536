/**
 * The lock: everything that an image depends on, and its digests (spec/lock.md). An image contains the same lock
 * without the image's own digest, which it cannot hold.
 */

import type { CID } from 'multiformats/cid'
import { formatModuleName, parseModuleName } from '../../store/module/index.ts'
import { formatReference, parseImageAddress } from '../../store/registry/index.ts'
import {
  boolean,
  DAG_JSON,
  describe,
  Field,
  Fields,
  formatCid,
  integer,
  listOf,
  matching,
  oneOf,
  parseCid,
  parseFields,
  type Reader,
  type Refusal,
  readProfile,
  sha256,
  text
} from '../../store/values/index.ts'
import type { ChosenModule } from './chosen-module.ts'
import { checkParameters, DIRECTORY_RULES, type ImageParameters } from './image-parameters.ts'

export interface Lock {
  modules: ChosenModule[]
  parameters: ImageParameters
  /** SHA-256 of the merged tree, 64 hexadecimal digits (spec/tree-digest.md). */
  treeDigest?: string
  /** SHA-256 of the image file, if it was computed. */
  imageDigest?: string
  /** Root of the hash tree behind the image, if it has one. */
  verityRoot?: string
}

const VERSION = 1

/** The same lock gives the same text. */
export function formatLock({ modules, parameters, treeDigest, imageDigest, verityRoot }: Lock): string {
  const document = {
    strata: 'lock',
    version: VERSION,
    modules: modules.map(({ name, record, layers, captured, source }) => ({
      ...(name !== undefined && { name }),
      ...(record !== undefined && { record: formatCid(record) }),
      ...(captured && { captured }),
      ...(source !== undefined && { source }),
      layers: layers.map(formatCid)
    })),
    image: {
      format: parameters.format,
      compressor: parameters.profile.compressor,
      compressorVersion: parameters.compressorVersion,
      level: parameters.profile.level,
      blockSize: parameters.profile.blockSize,
      audience: parameters.audience,
      aclModes: parameters.aclModes,
      onConflict: parameters.onConflict,
      ...(parameters.directories !== undefined && { directories: parameters.directories }),
      bare: parameters.bare,
      ...(parameters.verity && { verity: true })
    },
    ...(treeDigest !== undefined && { tree: `sha256:${treeDigest}` }),
    ...(imageDigest !== undefined && { sha256: imageDigest }),
    ...(verityRoot !== undefined && { verityRoot })
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

export const looksLikeLock = (text: string): boolean => /^\s*\{\s*"strata"\s*:\s*"lock"/.test(text)

/**
 * @param source name of the text in messages
 * @throws StrataError LOCK_INVALID with the field
 */
export function parseLock(json: string, source: string): Lock {
  const fields = parseFields(json, new Field(source, LOCK_REFUSAL))
  fields.required('strata', oneOf('lock'))
  fields.required('version', oneOf(VERSION))
  const tree = fields.optional('tree', matching(/^sha256:[0-9a-f]{64}$/, 'sha256: and 64 hexadecimal digits'))
  const lock = {
    modules: fields.required('modules', someOf(chosenModule)),
    parameters: fields.required('image', imageParameters),
    treeDigest: tree?.slice('sha256:'.length),
    imageDigest: fields.optional('sha256', sha256),
    verityRoot: fields.optional('verityRoot', sha256)
  }
  fields.end()
  return lock
}

const LOCK_REFUSAL: Refusal = {
  code: 'LOCK_INVALID',
  label: 'file',
  hint: 'compose lock (writes a new lock)'
}

const someOf =
  <T>(read: Reader<T>): Reader<T[]> =>
  (value, field) => {
    const list = listOf(read)(value, field)
    return list.length > 0 ? list : field.refuse('is empty, wanted at least one')
  }

const id: Reader<CID> = (value, field) => {
  const found = text(value, field)
  return field.check(what => parseCid(found, DAG_JSON, what))
}

const moduleName: Reader<string> = (value, field) => {
  const found = text(value, field)
  const name = field.check(() => formatModuleName(parseModuleName(found)))
  return name === found ? name : field.refuse(`found ${describe(value)}, wanted "${name}"`)
}

/** An image by the digest of its manifest, so that it is the same image whenever it is asked for. */
const imageSource: Reader<string> = (value, field) => {
  const found = text(value, field)
  const reference = field.check(() => parseImageAddress(found))
  const wanted = `docker://${formatReference(reference)}`
  if (reference.digest === undefined)
    field.refuse(`found ${describe(value)}, wanted an image with its digest`)
  return found === wanted ? found : field.refuse(`found ${describe(value)}, wanted "${wanted}"`)
}

const chosenModule: Reader<ChosenModule> = (value, field) => {
  const fields = new Fields(value, field)
  const name = fields.optional('name', moduleName)
  const record = fields.optional('record', id)
  const captured = fields.optional('captured', oneOf(true))
  const source = fields.optional('source', imageSource)
  const layers = fields.required('layers', someOf(id))
  fields.end()
  if ((name === undefined) !== (record === undefined))
    field.refuse('has a name or a record, wanted both or neither')
  if (source !== undefined && record === undefined) field.refuse('has a source, but no record')
  return {
    ...(name !== undefined && { name, record }),
    ...(captured && { captured }),
    ...(source !== undefined && { source }),
    layers
  }
}

const imageParameters: Reader<ImageParameters> = (value, field) => {
  const fields = new Fields(value, field)
  const directories = fields.optional('directories', oneOf(...DIRECTORY_RULES))
  const verity = fields.optional('verity', oneOf(true))
  const parameters = {
    format: fields.required('format', integer(0, Number.MAX_SAFE_INTEGER)),
    profile: readProfile(fields),
    compressorVersion: fields.required('compressorVersion', text),
    audience: fields.required('audience', text),
    aclModes: fields.required('aclModes', oneOf('audience', 'group')),
    onConflict: fields.required('onConflict', oneOf('error', 'upper')),
    ...(directories !== undefined && { directories }),
    bare: fields.required('bare', boolean),
    ...(verity && { verity })
  }
  fields.end()
  return field.check(() => checkParameters(parameters))
}
