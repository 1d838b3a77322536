import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ErrorObject, ValidateFunction } from 'ajv'
import { pathFromText, showPath } from '../values/index.ts'
import type { SpecPath } from './spec-text.ts'

/** A part of a spec that the schema does not allow. */
export interface SchemaFault {
  path: SpecPath
  /** The wrong part: the key at the end of the path, or its value. */
  part: 'key' | 'value'
  message: string
}

/** spec/module.schema.json lies in the package, beside the compiled `dist` and beside the sources. */
export function schemaFile(): string {
  const candidates = ['../../../spec/module.schema.json', '../../spec/module.schema.json']
  const files = candidates.map(path => fileURLToPath(new URL(path, import.meta.url)))
  return files.find(file => existsSync(file)) ?? files[0]
}

let compiled: Promise<ValidateFunction> | undefined

async function compile(): Promise<ValidateFunction> {
  const { Ajv2020 } = await import('ajv/dist/2020.js') // 110 ms, which only an import with --spec should pay
  // With `verbose`, errors carry their schema, whose title names the wanted value.
  const ajv = new Ajv2020({ allErrors: true, verbose: true, allowUnionTypes: true, strict: true })
  return ajv.compile(JSON.parse(readFileSync(schemaFile(), 'utf8')))
}

/** Faults of a value by the schema: one for each place, in no order. */
export async function schemaFaults(value: unknown): Promise<SchemaFault[]> {
  compiled ??= compile()
  const validate = await compiled
  if (validate(value)) return []
  const faults = new Map<string, SchemaFault>()
  for (const error of validate.errors ?? []) {
    // The error about the name itself says the same.
    if (error.keyword === 'propertyNames') continue
    const fault = toFault(error)
    const key = JSON.stringify([fault.path, fault.part])
    if (!faults.has(key)) faults.set(key, fault)
  }
  return [...faults.values()]
}

function toFault({
  keyword,
  instancePath,
  params,
  parentSchema,
  data,
  propertyName
}: ErrorObject): SchemaFault {
  const path = parsePointer(instancePath)
  const wanted = parentSchema?.title
  if (keyword === 'additionalProperties') {
    const unknown = [...path, params.additionalProperty]
    const known = Object.keys(parentSchema?.properties ?? {}).join(', ')
    return {
      path: unknown,
      part: 'key',
      message: `${showSpecPath(unknown)}: unknown field, wanted one of ${known}`
    }
  }
  if (keyword === 'required') {
    const message = `${showSpecPath([...path, params.missingProperty])}: is missing`
    return { path, part: 'value', message }
  }
  if (propertyName !== undefined) {
    const name = [...path, propertyName]
    return { path: name, part: 'key', message: `${showSpecPath(name)}: found this name, wanted ${wanted}` }
  }
  const where = path.length === 0 ? '' : `${showSpecPath(path)}: `
  return { path, part: 'value', message: `${where}found ${describe(data)}, wanted ${wanted}` }
}

/** Parses a JSON pointer (RFC 6901). Schema errors in lists give the index as digits. */
const parsePointer = (pointer: string): SpecPath =>
  pointer
    .split('/')
    .slice(1)
    .map(step => step.replace(/~1/g, '/').replace(/~0/g, '~'))

/** `environment.prepend.PATH`, `requires.0`. */
export const showSpecPath = (path: SpecPath): string =>
  path.map(step => showPath(pathFromText(String(step).slice(0, 80)))).join('.')

function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (typeof value !== 'string') return `${typeof value} ${value}`
  if (value === '') return 'an empty string'
  const shown = showPath(pathFromText(value.slice(0, 60)))
  return value.length > 60 ? `"${shown}…" (${value.length} characters)` : `"${shown}"`
}
