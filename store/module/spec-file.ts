import { createReadStream } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { IdNames } from '../accounts/index.ts'
import {
  dropUndefined,
  type ErrorCode,
  type PathBytes,
  type Place,
  StrataError,
  systemWords
} from '../values/index.ts'
import { checkOperation, type EnvironmentOperation, type OperationKind } from './environment.ts'
import { parseTyped } from './setting-table.ts'
import {
  checkDeprecation,
  checkLabel,
  type Deprecation,
  type ImportSettings,
  type ModuleKind,
  parseOwner
} from './settings.ts'
import { schemaFaults, showSpecPath } from './spec-schema.ts'
import { LARGEST_SPEC_BYTES, parseSpecText, refuseSpec, type SpecFault, type SpecPath } from './spec-text.ts'
import { parseTreePath, patternsFault } from './tree-path.ts'

/**
 * The content of `--spec module.yaml`, as spec/module.schema.json describes it. The schema checks shapes. Names, ranges
 * and paths are parsed by the same functions as flags of the command line.
 */
export interface SpecFile {
  kind?: ModuleKind
  summary?: string
  help?: string
  license?: string
  family?: string
  requires?: string[]
  conflicts?: string[]
  environment?: SpecEnvironment
  access_groups?: (string | number)[]
  labels?: Record<string, string>
  redistributable?: boolean
  runscript?: string
  replaces?: string[]
  prefix?: string
  strip?: number
  owner?: string
  allow_privileged?: boolean
  hidden?: boolean
  deprecated?: Deprecation
  sources?: string[]
}

export interface SpecEnvironment {
  set?: Record<string, string>
  prepend?: Record<string, string | string[]>
  append?: Record<string, string | string[]>
  unset?: string[]
}

/**
 * The settings in the file. A list or map that it does not have is left out, an empty one is not.
 * @param names ids of the owner and of access groups
 * @throws StrataError SPEC_INVALID with the line and column of every fault
 * @throws StrataError NAME_UNKNOWN: the owner has no id
 * @throws StrataError IO: the file cannot be read
 */
export async function readSpecFile(file: string, names: IdNames): Promise<Partial<ImportSettings>> {
  const text = await parseSpecText(await readStart(file), file)
  const shape = await schemaFaults(text.value)
  if (shape.length > 0) {
    const faults = shape.map(({ path, part, message }) => ({ ...text.position(path, part), message }))
    refuseSpec(file, faults)
  }
  const faults: SpecFault[] = []
  const check: Check = (path, read) => {
    try {
      return [read(showSpecPath(path))]
    } catch (error) {
      if (!(error instanceof StrataError) || !USER_FAULTS.has(error.code)) throw error
      const field = error.code === 'MODULE_NAME' ? `${showSpecPath(path)}: ` : ''
      faults.push({ ...text.position(path, 'value'), message: field + error.message })
      return []
    }
  }
  const ownerAt = { source: file, line: text.position(['owner'], 'value').line }
  const settings = toSettings(text.value as SpecFile, check, names, ownerAt)
  if (faults.length > 0) refuseSpec(file, faults)
  const sources = settings.sources?.map(source =>
    /^[a-z]+:\/\//.test(source) ? source : resolve(dirname(file), source)
  )
  return dropUndefined({ ...settings, sources })
}

const USER_FAULTS: ReadonlySet<ErrorCode> = new Set(['USAGE', 'MODULE_NAME'])

/** Reads a value. A fault is noted under the path, and the result is empty. */
type Check = <T>(path: SpecPath, read: (what: string) => T) => [T] | []

/** Reads at most one byte more than a spec may have, which is enough to refuse it; the file may be /dev/zero. */
async function readStart(file: string): Promise<Buffer> {
  try {
    const chunks: Buffer[] = []
    for await (const chunk of createReadStream(file, { end: LARGEST_SPEC_BYTES })) chunks.push(chunk)
    return Buffer.concat(chunks)
  } catch (cause) {
    throw new StrataError('IO', {
      message: `${file} cannot be read: ${systemWords(cause as Error)}`,
      facts: { file },
      cause
    })
  }
}

function toSettings(spec: SpecFile, check: Check, names: IdNames, ownerAt: Place): Partial<ImportSettings> {
  const one = <T, U>(
    field: keyof SpecFile,
    value: T | undefined,
    read: (value: T, what: string) => U
  ): U | undefined => (value === undefined ? undefined : check([field], what => read(value, what))[0])
  const typed = parseTyped(
    ({ spec: field }) => textsOf(spec[field as keyof SpecFile]),
    ({ spec: field }, index, parse) => check(index === undefined ? [field] : [field, index], parse),
    names
  )
  const labels = Object.entries(spec.labels ?? {}).flatMap(([key, value]) =>
    check(['labels', key], () => checkLabel(key, value, 'labels'))
  )
  return dropUndefined({
    ...typed,
    environment: spec.environment && environmentOperations(spec.environment, check),
    labels: Object.fromEntries(labels),
    redistributable: spec.redistributable,
    replaces: checkPatterns(typed.replaces, check),
    allowPrivileged: spec.allow_privileged,
    hidden: spec.hidden,
    deprecated: one('deprecated', spec.deprecated, checkDeprecation),
    prefix: one('prefix', spec.prefix, parseTreePath),
    strip: spec.strip,
    owner: one('owner', spec.owner, owner => parseOwner(owner, ownerAt, names)),
    sources: spec.sources
  })
}

/** Ids of groups may be written as numbers. */
const textsOf = (value: SpecFile[keyof SpecFile]): string | string[] | undefined =>
  Array.isArray(value) ? value.map(String) : typeof value === 'string' ? value : undefined

function checkPatterns(paths: PathBytes[] | undefined, check: Check): PathBytes[] | undefined {
  if (paths === undefined) return undefined
  check(['replaces'], what => {
    const fault = patternsFault(paths)
    if (fault !== undefined) throw new StrataError('USAGE', { message: `${what} ${fault}` })
  })
  return paths
}

/** Operations in the order of the file. Names of variables are never whole numbers, which objects would put first. */
function environmentOperations(environment: SpecEnvironment, check: Check): EnvironmentOperation[] {
  const operations: EnvironmentOperation[] = []
  const add = (path: SpecPath, operation: EnvironmentOperation) => {
    operations.push(...check(path, what => checkOperation(operation, what)))
  }
  for (const operation of Object.keys(environment) as OperationKind[]) {
    if (operation === 'unset') {
      environment.unset?.forEach((name, index) => {
        add(['environment', 'unset', index], { operation, name })
      })
      continue
    }
    for (const [name, value] of Object.entries(environment[operation] ?? {})) {
      // A list is one operation: prepending its elements one by one would reverse them.
      add(['environment', operation, name], { operation, name, value: [value].flat().join(':') })
    }
  }
  return operations
}
