import type { ImageDescription, OpenImage } from '../../compose/inspect/index.ts'
import { formatLock } from '../../compose/stack/index.ts'
import { formatOperation } from '../../store/module/index.ts'
import type { Signer } from '../../store/policy/index.ts'
import { count, formatCid } from '../../store/values/index.ts'
import { formatBytes, formatFields } from './format-values.ts'
import { renderSigner } from './signers.ts'

export function inspectedJson(
  { path, sizeBytes, reader, sif }: OpenImage,
  description: ImageDescription | undefined,
  signers: Signer[][]
): object {
  const { inodes, blockSize } = reader.superblock
  return {
    image: path,
    format: sif === undefined ? 'squashfs' : 'sif',
    sizeBytes,
    inodes,
    blockSize,
    compressor: reader.compressor,
    ...(description && {
      lock: JSON.parse(formatLock(description.lock)),
      modules: description.modules.map(({ name, record }, i) => ({
        module: name,
        kind: record.kind,
        summary: record.summary,
        license: record.license,
        environment: record.environment,
        labels: record.labels,
        origin: record.origin,
        signatures: signers[i]
      }))
    })
  }
}

export function renderInspected(
  image: OpenImage,
  description: ImageDescription | undefined,
  signers: Signer[][]
): string {
  const { path, sizeBytes, reader, sif } = image
  const format = sif === undefined ? 'SquashFS' : 'SquashFS in a SIF file'
  const { inodes, blockSize } = reader.superblock
  const head = `${path}: ${format}, ${formatBytes(sizeBytes)}, ${count(inodes, 'inode')}, ${reader.compressor}, blocks of ${formatBytes(blockSize)}`
  if (description === undefined)
    return `${head}\n  no /.compose folder: a bare image, or one that compose did not build`
  const { lock, modules } = description
  const environment = modules.flatMap(({ record }) => record.environment.map(formatOperation))
  const labels = modules.flatMap(({ record }) =>
    Object.entries(record.labels).map(([key, value]) => `${key}=${value}`)
  )
  return [
    head,
    formatFields(
      [
        [
          'modules',
          lock.modules
            .map(({ name, captured }) => name ?? (captured ? 'changes in a sandbox' : 'bare layers'))
            .join('\n')
        ],
        [
          'records signed by',
          modules
            .flatMap(({ name }, i) => signers[i].map(signer => `${name}: ${renderSigner(signer)}`))
            .join('\n')
        ],
        ['layers', lock.modules.flatMap(module => module.layers.map(formatCid)).join('\n')],
        ['environment', environment.join('\n')],
        ['labels', labels.join('\n')],
        ['audience', lock.parameters.audience],
        ['tree', `sha256:${lock.treeDigest}`]
      ],
      '  '
    ),
    ...(signers.some(each => each.length > 0)
      ? [`  not checked: that its files are those of these records (compose verify ${path})`]
      : [])
  ].join('\n')
}
