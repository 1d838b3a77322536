/**
 * The lock: everything that an image depends on, and what came of it (spec/lock.md). Inside an image lies the same
 * lock without the image's own digest, which it cannot hold.
 */
import { DAG_JSON, formatCid, parseCid } from '../../store/digest.ts'
import { StrataError } from '../../store/errors.ts'
import { formatModuleName, parseModuleName } from '../../store/module/name.ts'
import { checkProfile } from '../../store/object/profile.ts'
import type { ChosenModule } from './chosen-module.ts'
import { checkParameters, type ImageParameters } from './image-parameters.ts'

export interface Lock {
  modules: ChosenModule[]
  parameters: ImageParameters
  /** SHA-256 of the merged tree, 64 hexadecimal digits (spec/tree-digest.md). */
  treeDigest?: string
  /** SHA-256 of the image file, when it was computed. */
  imageDigest?: string
}

const VERSION = 1

/** The same lock gives the same text. */
export function formatLock({ modules, parameters, treeDigest, imageDigest }: Lock): string {
  const document = {
    strata: 'lock',
    version: VERSION,
    modules: modules.map(({ name, record, layers, captured }) => ({
      ...(name !== undefined && { name }),
      ...(record !== undefined && { record: formatCid(record) }),
      ...(captured && { captured }),
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
      bare: parameters.bare
    },
    ...(treeDigest !== undefined && { tree: `sha256:${treeDigest}` }),
    ...(imageDigest !== undefined && { sha256: imageDigest })
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

export const looksLikeLock = (text: string): boolean => /^\s*\{\s*"strata"\s*:\s*"lock"/.test(text)

/**
 * @param source its name for messages
 * @throws StrataError LOCK_INVALID naming the field
 */
export function parseLock(text: string, source: string): Lock {
  const document = parseJson(text, source)
  const at = new LockReader(source)
  at.only(document, '', ['strata', 'version', 'modules', 'image', 'tree', 'sha256'])
  if (document.strata !== 'lock') at.refuse('strata', document.strata, '"lock"')
  if (document.version !== VERSION) at.refuse('version', document.version, String(VERSION))
  if (!Array.isArray(document.modules) || document.modules.length === 0)
    at.refuse('modules', document.modules, 'a list')
  const tree = at.optional(document.tree, 'tree', /^sha256:[0-9a-f]{64}$/)
  return {
    modules: (document.modules as unknown[]).map((module, i) => at.module(module, `modules[${i}]`)),
    parameters: at.parameters(document.image),
    treeDigest: tree?.slice('sha256:'.length),
    imageDigest: at.optional(document.sha256, 'sha256', /^[0-9a-f]{64}$/)
  }
}

function parseJson(text: string, source: string): Record<string, unknown> {
  try {
    const document = JSON.parse(text)
    if (typeof document === 'object' && document !== null && !Array.isArray(document)) return document
    throw new SyntaxError('it is not an object')
  } catch (cause) {
    throw new StrataError('LOCK_INVALID', {
      message: `${source} is no lock: ${(cause as Error).message}`,
      hint: 'compose lock writes one',
      cause
    })
  }
}

/** Of the field alone: what is in a list or an object may be nested deeper than a stack of calls. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value)
}

function isModuleName(value: unknown): value is string {
  try {
    return typeof value === 'string' && formatModuleName(parseModuleName(value)) === value
  } catch {
    return false
  }
}

/** Reads fields of a lock, and names the one that is wrong. */
class LockReader {
  readonly #source: string

  constructor(source: string) {
    this.#source = source
  }

  refuse(field: string, found: unknown, wanted: string): never {
    throw new StrataError('LOCK_INVALID', {
      message: `${this.#source}: ${field} is ${shown(found)}, wanted ${wanted}`,
      facts: { file: this.#source, field },
      hint: 'compose lock writes it anew'
    })
  }

  only(value: Record<string, unknown>, field: string, known: string[]): void {
    for (const key of Object.keys(value))
      if (!known.includes(key))
        this.refuse(field === '' ? key : `${field}.${key}`, value[key], 'no such field')
  }

  object(value: unknown, field: string): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      this.refuse(field, value, 'an object')
    return value as Record<string, unknown>
  }

  optional(value: unknown, field: string, form: RegExp): string | undefined {
    if (value === undefined) return undefined
    if (typeof value !== 'string' || !form.test(value)) this.refuse(field, value, `${form.source}`)
    return value
  }

  module(value: unknown, field: string): ChosenModule {
    const module = this.object(value, field)
    this.only(module, field, ['name', 'record', 'captured', 'layers'])
    const { name, record, layers, captured } = module
    if (name !== undefined && !isModuleName(name)) this.refuse(`${field}.name`, name, 'a module name')
    if (captured !== undefined && captured !== true)
      this.refuse(`${field}.captured`, captured, 'true, or nothing')
    if ((name === undefined) !== (record === undefined))
      this.refuse(field, value, 'a name and a record, or neither')
    if (!Array.isArray(layers) || layers.length === 0)
      this.refuse(`${field}.layers`, layers, 'a list of layer ids')
    return {
      ...(name !== undefined && { name, record: this.cid(record, `${field}.record`) }),
      ...(captured && { captured: true }),
      layers: (layers as unknown[]).map((layer, i) => this.cid(layer, `${field}.layers[${i}]`))
    }
  }

  cid(value: unknown, field: string) {
    if (typeof value !== 'string') this.refuse(field, value, 'an id')
    return parseCid(value, DAG_JSON, `${this.#source}: ${field}`, 'LOCK_INVALID')
  }

  parameters(value: unknown): ImageParameters {
    const image = this.object(value, 'image')
    const known = [
      'format',
      'compressor',
      'compressorVersion',
      'level',
      'blockSize',
      'audience',
      'aclModes',
      'onConflict',
      'bare'
    ]
    this.only(image, 'image', known)
    for (const key of known) if (image[key] === undefined) this.refuse(`image.${key}`, undefined, 'a value')
    const { compressor, level, blockSize, ...rest } = image
    try {
      const profile = checkProfile({ compressor, level, blockSize } as ImageParameters['profile'])
      return checkParameters({ ...rest, profile } as ImageParameters)
    } catch (cause) {
      if (!(cause instanceof StrataError)) throw cause
      throw new StrataError('LOCK_INVALID', { message: `${this.#source}: image: ${cause.message}`, cause })
    }
  }
}
