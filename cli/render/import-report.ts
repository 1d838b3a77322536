import { formatCid } from '../../store/digest.ts'
import type { ImportedLayer } from '../../store/import/import-layer.ts'
import type { ImportModuleReport } from '../../store/import/import-module.ts'
import { formatModuleName } from '../../store/module/name.ts'
import { type PathBytes, showPath } from '../../store/path-bytes.ts'
import { count, formatBytes } from './format.ts'

const SHOWN_PATHS = 10

export const importJson = ({
  name,
  record,
  outcome,
  previous,
  layers,
  origin,
  skipped,
  notes
}: ImportModuleReport): object => ({
  module: formatModuleName(name),
  record: formatCid(record),
  outcome,
  ...(previous && { previous: formatCid(previous) }),
  layers: layers.map(layer => ({
    id: formatCid(layer.id),
    tar: formatCid(layer.manifest.tar),
    ...(layer.manifest.sidecar && { sidecar: formatCid(layer.manifest.sidecar) }),
    entries: layer.manifest.entries,
    bytes: layer.manifest.bytes,
    tarBytes: layer.tarBytes,
    dataBytes: layer.dataBytes,
    aclPaths: layer.aclPaths,
    attributePaths: layer.attributePaths,
    known: layer.known,
    missingPaths: layer.missingPaths.map(shown),
    droppedAttributes: layer.droppedAttributes.map(({ path, name }) => ({
      path: shown(path),
      name: showPath(name)
    })),
    ignoredKeys: Object.fromEntries([...layer.ignoredKeys].map(([key, times]) => [showPath(key), times])),
    leftOut: layer.leftOut
  })),
  origin,
  skipped: skipped.map(({ path, reason }) => ({ path: shown(path), reason })),
  notes
})

export function renderImport(report: ImportModuleReport): string {
  const said = {
    created: 'published',
    same: 'is published already, with this very content',
    replaced: `replaced (before: ${report.previous ? formatCid(report.previous) : 'a ref that could not be read'})`
  }
  return [
    `${formatModuleName(report.name)} ${said[report.outcome]}`,
    ...report.layers.flatMap(layerLines),
    ...listed(
      report.skipped.map(({ path, reason }) => `${shown(path)}: ${reason}`),
      'left out'
    ),
    ...listed(report.notes, 'notes')
  ].join('\n')
}

function layerLines(layer: ImportedLayer): string[] {
  const { manifest } = layer
  const marks = [
    layer.aclPaths > 0 ? `${count(layer.aclPaths, 'path')} with ACLs` : '',
    layer.attributePaths > 0 ? `${count(layer.attributePaths, 'path')} with attributes` : ''
  ].filter(text => text !== '')
  return [
    `  layer ${formatCid(layer.id)}${layer.known ? ' (was there)' : ''}`,
    `    ${[count(manifest.entries, 'entry', 'entries'), `${formatBytes(manifest.bytes)}, packed ${formatBytes(layer.dataBytes)}`, ...marks].join(', ')}`,
    ...listed(layer.missingPaths.map(shown), 'listed, but not in the source'),
    ...listed(
      layer.droppedAttributes.map(({ path, name }) => `${shown(path)}: ${showPath(name)}`),
      'attributes of overlayfs, left out'
    ),
    ...listed(
      [...layer.ignoredKeys].map(([key, times]) => `${showPath(key)} (${times})`),
      'PAX records read over'
    ),
    ...(layer.leftOut > 0 ? [`    ${count(layer.leftOut, 'entry', 'entries')} left out by --strip`] : [])
  ]
}

function listed(items: string[], what: string): string[] {
  if (items.length === 0) return []
  const rest = items.length - SHOWN_PATHS
  return [
    `    ${what}: ${items.length}`,
    ...items.slice(0, SHOWN_PATHS).map(item => `      ${item}`),
    ...(rest > 0 ? [`      and ${rest} more (--json lists them)`] : [])
  ]
}

const shown = (path: PathBytes): string => (path === '' ? '.' : showPath(path))
