/** Facts about a module for lists: enough for avail, spider, keyword and completion without its record. */

import type { StoreRoot } from '../files/index.ts'
import type { Deprecation, ModuleKind, ModuleName, ModuleRecord } from '../module/index.ts'
import { formatCid } from '../values/index.ts'

export interface ModuleSummary extends RecordSummary {
  name: ModuleName
  /** Id of the record, as text: `baguqeera…`. Lists of ten thousand modules need no parsed ids. */
  record: string
  store: StoreRoot
}

/** The part of a summary that comes from the record. */
export interface RecordSummary {
  kind: ModuleKind
  /** One line. */
  summary?: string
  family?: string
  hidden: boolean
  deprecated?: Deprecation
  labels: Record<string, string>
}

/** A record as the index keeps it, without fields that are absent, false or empty. */
export interface IndexedRecord {
  summary: RecordSummary
  /** Ids of its layers, bottom to top. */
  layers: string[]
}

/** Fields of a record that the index uses. */
export const INDEXED_FIELDS = [
  'kind',
  'summary',
  'family',
  'hidden',
  'deprecated',
  'labels',
  'layers'
] as const

export const indexedRecord = ({
  kind,
  summary,
  family,
  hidden,
  deprecated,
  labels,
  layers
}: Pick<ModuleRecord, (typeof INDEXED_FIELDS)[number]>): IndexedRecord => ({
  summary: {
    kind,
    ...(summary !== undefined && { summary }),
    ...(family !== undefined && { family }),
    hidden,
    ...(deprecated !== undefined && { deprecated }),
    labels
  },
  layers: layers.map(formatCid)
})
