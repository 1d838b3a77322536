import type { AttributeCount } from '../../store/acl/index.ts'
import type { ImportedLayer, ImportModuleReport, ReusedLayer } from '../../store/import/index.ts'
import { type ComparedSettings, formatModuleName, formatRequirement } from '../../store/module/index.ts'
import type { AddedSignature } from '../../store/signatures/index.ts'
import { describeOddity } from '../../store/tar/index.ts'
import { count, formatCid, type PathBytes, showPath } from '../../store/values/index.ts'
import { formatBytes } from './format-values.ts'
import { pathJson } from './json-values.ts'

const SHOWN_PATHS = 10

export const importJson = ({
  name,
  record,
  outcome,
  previous,
  signature,
  settings,
  laidUpon,
  reused,
  layers,
  origin,
  skipped,
  notes
}: ImportModuleReport): object => ({
  module: formatModuleName(name),
  record: formatCid(record),
  outcome,
  ...(previous && { previous: formatCid(previous) }),
  ...(signature && { signature: signatureJson(signature) }),
  ...(settings && { settings }),
  layers: layers.map(importedJson),
  ...(reused.length > 0 && { reused: reused.map(layerJson) }),
  ...(laidUpon && {
    requires: laidUpon.requires.map(formatRequirement),
    replaces: laidUpon.replaces.map(pathJson)
  }),
  origin,
  skipped: skipped.map(({ path, reason }) => ({ ...pathJson(path), reason })),
  notes
})

const signatureJson = ({ key, file, isNew }: AddedSignature) => ({ key: key.fingerprint, file, new: isNew })

const layerJson = ({ id, manifest: { tar, sidecar, entries, bytes } }: ImportedLayer | ReusedLayer) => ({
  id: formatCid(id),
  tar: formatCid(tar),
  ...(sidecar && { sidecar: formatCid(sidecar) }),
  entries,
  bytes
})

const importedJson = (layer: ImportedLayer) => ({
  ...layerJson(layer),
  tarBytes: layer.tarBytes,
  dataBytes: layer.dataBytes,
  packedBlocks: layer.packedBlocks,
  aclPaths: layer.aclPaths,
  attributePaths: layer.attributePaths,
  known: layer.known,
  missingPaths: layer.missingPaths.map(pathJson),
  leftOutAttributes: layer.leftOutAttributes.map(attributeJson),
  hostLabels: layer.hostLabels.map(attributeJson),
  ignoredKeys: Object.fromEntries([...layer.ignoredKeys].map(([key, times]) => [showPath(key), times])),
  oddities: layer.oddities.map(({ kind, count, offset, path }) => ({
    kind,
    count,
    offset,
    ...(path !== undefined && pathJson(path))
  })),
  leftOut: layer.leftOut
})

export function renderImport(report: ImportModuleReport): string {
  const said = {
    created: 'published',
    same: 'is already published with the same content',
    replaced: `replaced (before: ${report.previous ? formatCid(report.previous) : 'a ref that could not be read'})`
  }
  return [
    `${formatModuleName(report.name)} ${said[report.outcome]}`,
    ...(report.signature ? [`  signed with ${report.signature.key.fingerprint}`] : []),
    ...report.reused.flatMap(reusedLines),
    ...report.layers.flatMap(layerLines),
    ...laidUponLines(report.laidUpon),
    ...settingsLines(report.settings),
    ...listLines(
      report.skipped.map(({ path, reason }) => `${showMemberPath(path)}: ${reason}`),
      'left out'
    ),
    ...listLines(report.notes, 'notes')
  ].join('\n')
}

/** Lines about changed settings, and the names of the settings that were kept. */
export function settingsLines(settings: ComparedSettings | undefined): string[] {
  if (settings === undefined) return []
  const { changed, kept } = settings
  return [
    ...(changed.length > 0 ? ['  settings that changed:'] : []),
    ...changed.flatMap(({ setting, removed, added }) => [
      `    ${setting}:`,
      ...removed.map(text => `      - ${shownText(text)}`),
      ...added.map(text => `      + ${shownText(text)}`),
      ...(removed.length + added.length === 0 ? ['      in another order'] : [])
    ]),
    ...(kept.length > 0 ? [`  settings kept: ${kept.join(', ')}`] : [])
  ]
}

/** The first line of a text; help texts have several. */
const shownText = (text: string): string => {
  const [first, ...rest] = text.split('\n')
  return rest.length === 0 ? first : `${first} (and ${count(rest.length, 'line')} more)`
}

const reusedLines = ({ id, manifest: { entries, bytes } }: ReusedLayer): string[] => [
  `  layer ${formatCid(id)} (of another module)`,
  `    ${count(entries, 'entry', 'entries')}, ${formatBytes(bytes)}`
]

function laidUponLines(laidUpon: ImportModuleReport['laidUpon']): string[] {
  if (laidUpon === undefined) return []
  const { requires, replaces } = laidUpon
  return [
    ...(requires.length > 0 ? [`  requires ${requires.map(formatRequirement).join(', ')}`] : []),
    ...listLines(
      replaces.map(path => `/${showPath(path)}`),
      'paths of other modules that it replaces'
    )
  ]
}

function layerLines(layer: ImportedLayer): string[] {
  const { manifest } = layer
  const marks = [
    layer.aclPaths > 0 ? `${count(layer.aclPaths, 'path')} with ACLs` : '',
    layer.attributePaths > 0 ? `${count(layer.attributePaths, 'path')} with attributes` : ''
  ].filter(text => text !== '')
  return [
    `  layer ${formatCid(layer.id)}${layer.known ? ' (already in the store)' : ''}`,
    `    ${[count(manifest.entries, 'entry', 'entries'), `${formatBytes(manifest.bytes)}, packed ${formatBytes(layer.dataBytes)}`, ...marks].join(', ')}`,
    ...listLines(layer.missingPaths.map(showMemberPath), 'in a listing, but not in the source'),
    ...listLines(layer.leftOutAttributes.map(attributeLine), 'attributes of file systems, left out'),
    ...listLines(
      layer.hostLabels.map(attributeLine),
      'labels of the host where it was packed, kept: a host with that security module obeys them'
    ),
    ...listLines(
      [...layer.ignoredKeys].map(([key, times]) => `${showPath(key)} (${times})`),
      'PAX records ignored'
    ),
    ...listLines(
      layer.oddities.map(describeOddity),
      'violations of the rules of tar, read as other programs read them'
    ),
    ...(layer.leftOut > 0 ? [`    ${count(layer.leftOut, 'entry', 'entries')} left out by --strip`] : [])
  ]
}

function listLines(items: string[], what: string): string[] {
  if (items.length === 0) return []
  const rest = items.length - SHOWN_PATHS
  return [
    `    ${what}: ${items.length}`,
    ...items.slice(0, SHOWN_PATHS).map(item => `      ${item}`),
    ...(rest > 0 ? [`      and ${rest} more (--json lists them)`] : [])
  ]
}

const attributeJson = ({ name, reason, paths, example }: AttributeCount) => ({
  name: showPath(name),
  reason,
  paths,
  example: showMemberPath(example)
})

const attributeLine = ({ name, reason, paths, example }: AttributeCount): string =>
  `${showPath(name)}, ${reason}: ${paths === 1 ? showMemberPath(example) : `${count(paths, 'path')}, such as ${showMemberPath(example)}`}`

const showMemberPath = (path: PathBytes): string => (path === '' ? '.' : showPath(path))
