import { EVERYONE, type FileAccess, showAccess } from '../../store/files/index.ts'
import type { DescribedLayer, DescribedModule } from '../../store/lookup/index.ts'
import { formatModuleName, formatRequirement, mapSettings } from '../../store/module/index.ts'
import type { Signer } from '../../store/policy/index.ts'
import { count, formatCid, showPath } from '../../store/values/index.ts'
import { formatBytes, formatFields } from './format-values.ts'
import { pathJson } from './json-values.ts'
import { originLines } from './origin.ts'
import { renderSigner } from './signers.ts'

export const describedJson = (
  { id, record, layers }: DescribedModule,
  store: string,
  signatures: Signer[]
): object => ({
  module: formatModuleName(record),
  record: formatCid(id),
  store,
  ...record,
  requires: record.requires.map(formatRequirement),
  conflicts: record.conflicts.map(formatRequirement),
  replaces: record.replaces.map(pathJson),
  layers: layers.map(({ id: layer, manifest, ...rest }) => ({
    id: formatCid(layer),
    tar: formatCid(manifest.tar),
    ...(manifest.sidecar && { sidecar: formatCid(manifest.sidecar) }),
    entries: manifest.entries,
    bytes: manifest.bytes,
    ...(manifest.prefix && { prefix: showPath(manifest.prefix) }),
    ...(manifest.strip && { strip: manifest.strip }),
    ...(manifest.owner && { owner: manifest.owner }),
    ...rest
  })),
  signatures
})

export function renderDescribed(
  { id, record, layers }: DescribedModule,
  store: string,
  signers: Signer[]
): string {
  return [
    formatModuleName(record),
    formatFields(
      [
        ...mapSettings(record, ({ spec, title = spec, lines, shown }, value): [string, string] => [
          title,
          shown?.(value) ?? lines(value).join('\n')
        ]),
        ['made from', record.origin.flatMap(originLines).join('\n')],
        ['record', formatCid(id)],
        ['store', store],
        ['signed by', signers.map(renderSigner).join('\n') || 'nobody']
      ],
      '  '
    ),
    ...layers.map(renderLayer)
  ].join('\n')
}

const unknownTarball = (readableBy: FileAccess): string =>
  readableBy === EVERYONE ? 'tarball missing' : `readable by ${showAccess(readableBy)} alone`

function renderLayer({
  id,
  manifest,
  tarBytes,
  dataBytes,
  parts,
  aclPaths,
  attributePaths,
  readableBy
}: DescribedLayer): string {
  const { prefix, strip, owner } = manifest
  const sizes = [
    `${formatBytes(manifest.bytes)} in files`,
    tarBytes === undefined ? unknownTarball(readableBy) : `tarball ${formatBytes(tarBytes)}`,
    dataBytes === undefined ? '' : `stored in ${formatBytes(dataBytes)}, ${count(parts, 'part')}`
  ]
  return [
    `  layer ${formatCid(id)}`,
    formatFields(
      [
        [
          'holds',
          [
            count(manifest.entries, 'entry', 'entries'),
            aclPaths !== undefined && `${count(aclPaths, 'path')} with ACLs`,
            attributePaths !== undefined && `${count(attributePaths, 'path')} with attributes`
          ]
            .filter(Boolean)
            .join(', ')
        ],
        ['size', sizes.filter(text => text !== '').join(', ')],
        [
          'placed',
          [
            strip && `strip ${strip}`,
            prefix && `below /${showPath(prefix)}`,
            owner && `owner ${owner.uid}:${owner.gid}`
          ]
            .filter(Boolean)
            .join(', ')
        ]
      ],
      '    '
    )
  ].join('\n')
}
