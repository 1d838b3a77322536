/**
 * What the index takes from a record, without decoding all of it. Decoding ten thousand records strictly, and
 * encoding each again to see that it is canonical, takes seconds; whoever uses a module does so with that one, and
 * fsck with all. Here the bytes are those that the id names, and of what is taken everything is checked.
 */
import type { ModuleKind } from '../module/settings.ts'
import { checkDeprecation, checkFamily, checkLabel, MODULE_KINDS } from '../module/settings.ts'
import { checkLine } from '../module/text-field.ts'
import type { IndexedRecord } from './module-summary.ts'
import { MANIFEST_ID } from './modules-file.ts'

/** @returns undefined for anything that is not as expected: then decodeRecord says what */
export function peekRecord(bytes: Uint8Array): IndexedRecord | undefined {
  try {
    return peek(JSON.parse(utf8.decode(bytes)))
  } catch {
    return undefined
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Fields of a record (spec/module.md#record) as JSON has them: links are `{"/": id}`. */
interface RecordJson {
  strata: unknown
  format: unknown
  kind: ModuleKind
  layers: { '/': string }[]
  summary?: string
  family?: string
  hidden?: boolean
  deprecated?: { date: string; text: string }
  labels?: Record<string, string>
}

function peek(json: RecordJson): IndexedRecord | undefined {
  const { kind, summary, family, hidden = false, deprecated, labels = {} } = json
  const layers = json.layers.map(link => link['/'])
  const isExpected =
    json.strata === 'module' &&
    json.format === 1 &&
    MODULE_KINDS.includes(kind) &&
    typeof hidden === 'boolean' &&
    layers.length > 0 &&
    layers.every(id => MANIFEST_ID.test(id))
  if (!isExpected) return undefined
  return {
    summary: {
      kind,
      ...(summary !== undefined && { summary: checkLine(summary, 'summary') }),
      ...(family !== undefined && { family: checkFamily(family, 'family') }),
      hidden,
      ...(deprecated !== undefined && { deprecated: checkDeprecation(deprecated, 'deprecated') }),
      labels: Object.fromEntries(
        Object.entries(labels).map(([key, value]) => checkLabel(key, value, 'labels'))
      )
    },
    layers
  }
}
