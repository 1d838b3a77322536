/** `labels.json`, a flat map of strings that `apptainer inspect` shows (spec/image-metadata.md#labels). */
import type { ModuleRecord } from '../../store/module/index.ts'

/**
 * Combines the labels of the modules, where later ones win, and labels of the main module for the image as a whole.
 * @param records bottom to top
 */
export function imageLabels(records: ModuleRecord[]): Record<string, string> {
  const labels: Record<string, string> = Object.assign({}, ...records.map(record => record.labels))
  const main = mainRecord(records)
  // A base from an OCI image has such labels about itself, which are not true for this image.
  for (const [key, value] of Object.entries(describe(main, records))) {
    const said = main?.labels[key] ?? value
    if (said === undefined) delete labels[key]
    else labels[key] = said
  }
  labels['org.label-schema.schema-version'] ??= '1.0'
  return labels
}

/** Keys in byte order, so that the same labels give the same text. */
export function formatLabels(labels: Record<string, string>): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
  return `${JSON.stringify(Object.fromEntries(sorted), undefined, '\t')}\n`
}

/** The module that an image is about: the topmost application, or else the topmost module. */
export const mainRecord = (records: ModuleRecord[]): ModuleRecord | undefined =>
  records.findLast(({ kind }) => kind === 'application') ?? records.at(-1)

const describe = (main: ModuleRecord | undefined, records: ModuleRecord[]) => ({
  'org.opencontainers.image.title': main && `${main.category}/${main.name}`,
  'org.opencontainers.image.version': main?.version,
  'org.opencontainers.image.description': main?.summary,
  'org.opencontainers.image.licenses': joinedLicenses(records)
})

/** One SPDX expression for all modules, if they all have one. */
export function joinedLicenses(records: ModuleRecord[]): string | undefined {
  const distinct = [...new Set(records.flatMap(({ license }) => (license === undefined ? [] : [license])))]
  if (distinct.length < 2) return distinct[0]
  return distinct.map(license => (/ OR /i.test(license) ? `(${license})` : license)).join(' AND ')
}
