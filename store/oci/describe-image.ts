/** Settings of a module from an image configuration (spec/sources.md#configuration). */

import {
  checkLabel,
  checkLine,
  checkOperation,
  type EnvironmentOperation,
  type ImportSettings,
  type ModuleKind,
  settingsOfTerms,
  TERMS_LABEL
} from '../module/index.ts'
import { dropUndefined, StrataError } from '../values/index.ts'
import type { OciImage } from './image.ts'
import type { Json } from './json.ts'
import { readRunscript } from './runscript.ts'

export interface DescribedImage {
  described: Partial<ImportSettings>
  notes: string[]
}

/**
 * @param kind of the module that it becomes
 * @throws StrataError SOURCE_INVALID for a field whose type is not that of the specification
 */
export function describeImage(
  { config, annotations }: Pick<OciImage, 'config' | 'annotations'>,
  kind: ModuleKind
): DescribedImage {
  const notes: string[] = []
  const taken = <T>(what: string, take: () => T): T | undefined => {
    try {
      return take()
    } catch (error) {
      if (!(error instanceof StrataError) || error.code === 'SOURCE_INVALID') throw error
      notes.push(`${what}: ${error.message}`)
      return undefined
    }
  }
  const run = config.member('config')
  const { [TERMS_LABEL]: terms, ...labels } = readLabels(run, annotations, taken)
  const described = dropUndefined({
    environment: readEnvironment(run, kind, taken),
    labels,
    summary: line(labels, 'org.opencontainers.image.description', 'org.opencontainers.image.title'),
    license: line(labels, 'org.opencontainers.image.licenses'),
    runscript: taken('Entrypoint, Cmd', () => readRunscript(run)),
    ...settingsOfTerms(terms, 'the image', notes)
  })
  return { described, notes: [...notes, ...leftOut(run)] }
}

type Take = <T>(what: string, take: () => T) => T | undefined

/** Variables that hold a list with `:` between, to which the modules of a stack add. */
const LIST = /PATH$|^XDG_[A-Z]+_DIRS$/

function readEnvironment(run: Json, kind: ModuleKind, taken: Take): EnvironmentOperation[] {
  const operations: EnvironmentOperation[] = []
  for (const item of run.member('Env').optionalList()) {
    const text = item.text()
    const equals = text.indexOf('=')
    const [name, value] = equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)]
    const isAdded = kind !== 'base' && LIST.test(name)
    if (isAdded && value === '') continue
    const operation = taken('Env', () =>
      checkOperation({ operation: isAdded ? 'prepend' : 'set', name, value }, 'variable')
    )
    if (operation !== undefined) operations.push(operation)
  }
  return operations
}

function readLabels(run: Json, annotations: OciImage['annotations'], taken: Take): Record<string, string> {
  const labels = run.member('Labels').entries()
  const all = new Map([
    ...annotations,
    ...labels.map(([key, value]): [string, string] => [key, value.text()])
  ])
  const kept = [...all].map(([key, value]) => taken('Labels', () => checkLabel(key, value, 'label')))
  return Object.fromEntries(kept.filter(label => label !== undefined))
}

/** The first of these labels that can be printed on one line. */
function line(labels: Record<string, string>, ...keys: string[]): string | undefined {
  for (const key of keys)
    try {
      if (Object.hasOwn(labels, key)) return checkLine(labels[key], key)
    } catch {}
  return undefined
}

/** Settings of containers that modules do not have, with the values that mean nothing. */
const CONTAINER_SETTINGS: Record<string, RegExp> = {
  User: /^"(|0|root|0:0|root:root)"$/,
  WorkingDir: /^"\/?"$/,
  ExposedPorts: /^\{\}$/,
  Volumes: /^\{\}$/,
  StopSignal: /^""$/,
  Healthcheck: /^\{\}$/,
  Shell: /^\[\]$/,
  OnBuild: /^\[\]$/
}

const leftOut = (run: Json): string[] =>
  Object.entries(CONTAINER_SETTINGS).flatMap(([name, nothing]) => {
    const value = run.member(name)
    return !value.isThere || nothing.test(String(value)) ? [] : [`${name}: ${value}`]
  })
