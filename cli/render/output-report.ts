import type { OciReport, TarReport } from '../../compose/outputs/index.ts'
import { count } from '../../store/values/index.ts'
import { composedJson, composedLines } from './build-report.ts'
import { formatBytes } from './format-values.ts'

export const layoutJson = ({
  out,
  tag,
  architecture,
  manifest,
  config,
  layers,
  cache,
  ...rest
}: OciReport): object => ({
  output: out,
  format: 'oci',
  tag,
  architecture,
  manifest,
  config,
  layers,
  ...(cache && { cache }),
  ...composedJson(rest)
})

export function renderLayout(report: OciReport, verbose: boolean): string {
  const { out, tag, architecture, layers, manifest, lock, cache } = report
  const bytes = layers.reduce((sum, { size }) => sum + size, 0)
  const detail = layers.map(({ digest, size }) => `    ${digest}  ${formatBytes(size)}`)
  return [
    `${out}:${tag}: OCI image for linux/${architecture}, ${count(layers.length, 'layer')} of ${formatBytes(bytes)} from ${count(lock.modules.length, 'module')}`,
    ...(verbose ? detail : []),
    ...(cache ? cacheLines(cache) : []),
    ...composedLines(report, 'as text in the layers; engines go by the mode bits', verbose),
    `  manifest ${manifest.digest}`
  ].join('\n')
}

function cacheLines({ used, failure }: NonNullable<OciReport['cache']>): string[] {
  return [
    ...(used > 0 ? [`  ${count(used, 'layer')} copied from the store, packed by an earlier build`] : []),
    ...(failure === undefined ? [] : [`  packed layers were not kept for the next build: ${failure}`])
  ]
}

export const tarJson = (out: string, { tarBytes, inodes, ...rest }: TarReport): object => ({
  output: out,
  format: 'tar',
  tarBytes,
  inodes,
  ...composedJson(rest)
})

export function renderTar(out: string, report: TarReport, verbose: boolean): string {
  const { tarBytes, inodes, lock } = report
  return [
    `${out}: ${formatBytes(tarBytes)}, ${count(inodes, 'inode')} from ${count(lock.modules.length, 'module')}`,
    ...composedLines(report, 'as records that GNU tar (--acls) and bsdtar restore', verbose)
  ].join('\n')
}
