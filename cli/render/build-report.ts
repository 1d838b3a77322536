import type { BuildReport } from '../../compose/build/build-image.ts'
import type { BuiltSandbox } from '../../compose/build/build-sandbox.ts'
import { formatLock } from '../../compose/stack/lock.ts'
import { formatAclLine } from '../../store/acl/acl-text.ts'
import { type PathBytes, showPath } from '../../store/path-bytes.ts'
import { count, formatBytes } from './format.ts'

type ComposedReport = Omit<BuildReport, 'image' | 'link'>

const shown = (path: PathBytes): string => `/${showPath(path)}`

export const buildJson = ({ image, link, ...rest }: BuildReport): object => ({
  image,
  ...link,
  ...composedJson(rest)
})

/** What every output of a build tells. */
export const composedJson = ({
  lock,
  audience,
  keptDirectories,
  shadowed,
  environmentLosses,
  edits
}: ComposedReport): object => ({
  lock: JSON.parse(formatLock(lock)),
  audience: {
    text: audience.text,
    aclPaths: audience.report.aclPaths,
    unusable: audience.report.lost.map(({ path, entry, ...rest }) => ({
      path: shown(path),
      entry: formatAclLine({ entries: [entry] }),
      ...rest
    })),
    widened: audience.report.widened,
    suggestions: audience.report.suggestions
  },
  keptDirectories: keptDirectories.map(({ path, ...rest }) => ({ ...rest, path: shown(path) })),
  shadowed: shadowed.map(shown),
  environmentLosses,
  ...(edits && {
    edits: {
      added: edits.added,
      changed: edits.changed,
      deleted: edits.deleted,
      regenerated: edits.regenerated.map(shown),
      privileged: edits.privileged.map(({ path, ...what }) => ({ path: shown(path), ...what }))
    }
  })
})

export function renderBuild(built: BuildReport, verbose: boolean): string {
  const { image, link, lock } = built
  const shared =
    link.clonedBytes > 0 ? `, ${formatBytes(link.clonedBytes)} of them shared with the store` : ''
  return [
    `${image}: ${formatBytes(link.imageBytes)}, ${count(link.inodes, 'inode')} from ${count(lock.modules.length, 'module')}${shared}`,
    ...composedLines(
      built,
      `kept in user.strata.acl.*${lock.parameters.bare ? '' : ' and /.compose/acl'}`,
      verbose
    ),
    ...(link.clampedTimes > 0
      ? [
          `  ${count(link.clampedTimes, 'time')} outside 1970..2106 moved to the nearer end: SquashFS has no others`
        ]
      : []),
    ...(lock.imageDigest ? [`  image sha256:${lock.imageDigest}`] : [])
  ].join('\n')
}

/** @param aclsAre what became of the ACLs */
export function composedLines(built: ComposedReport, aclsAre: string, verbose: boolean): string[] {
  const { lock, audience, keptDirectories } = built
  return [
    `  ${audience.text}`,
    ...(audience.report.aclPaths > 0 ? aclLines(audience.report, aclsAre, verbose) : []),
    ...keptLines(
      keptDirectories,
      lock.modules.map(({ name }) => name ?? 'bare layers'),
      verbose
    ),
    ...editLines(built.edits, verbose),
    ...runtimeLines(built, verbose),
    `  tree sha256:${lock.treeDigest}`
  ]
}

function aclLines(
  { aclPaths, paths, lost, suggestions, widened }: BuildReport['audience']['report'],
  aclsAre: string,
  verbose: boolean
): string[] {
  const lines = [`  ${count(aclPaths, 'path')} with ACLs, ${aclsAre}`]
  if (widened > 0)
    lines.push(`  WARNING: --acl-modes group gives ${count(widened, 'path')} more rights than their ACLs`)
  if (paths === 0) return lines
  const remedy = suggestions.length > 0 ? `; --for ${suggestions[0]} would keep most` : ''
  lines.push(`  ${count(paths, 'path')} with named grants that this audience cannot use${remedy}`)
  const detail = lost.map(({ path, entry }) => `    ${shown(path)}: ${formatAclLine({ entries: [entry] })}`)
  return verbose ? [...lines, ...detail] : lines
}

function editLines(edits: BuildReport['edits'], verbose: boolean): string[] {
  if (edits === undefined) return []
  const { added, changed, deleted, skipped, unprivileged, regenerated } = edits
  const listed = (what: string, lines: string[]) =>
    lines.length === 0
      ? []
      : [`  ${count(lines.length, 'path')} ${what}`, ...(verbose ? lines.map(line => `    ${line}`) : [])]
  const isChanged = added + changed + deleted > 0
  return [
    isChanged
      ? `  changed in the sandbox: ${added} new, ${changed} changed, ${deleted} deleted`
      : '  nothing was changed in the sandbox',
    ...listed('deleted there, and made again as in every image', regenerated.map(shown)),
    ...listed(
      'left out',
      skipped.map(({ path, reason }) => `${shown(path)}: ${reason}`)
    ),
    ...listed('lost set-id bits or capabilities with their old content', unprivileged.map(shown))
  ]
}

function runtimeLines({ shadowed, environmentLosses }: ComposedReport, verbose: boolean): string[] {
  const losses = environmentLosses.map(({ name, reason }) => `  ch-run --set-env: ${name} ${reason}`)
  if (shadowed.length === 0) return losses
  const detail = verbose ? shadowed.map(path => `    ${shown(path)}`) : []
  return [...losses, `  ${count(shadowed.length, 'file')} for runtimes are the modules' own`, ...detail]
}

function keptLines(kept: BuildReport['keptDirectories'], names: string[], verbose: boolean): string[] {
  if (kept.length === 0) return []
  const detail = kept.map(
    ({ path, lower, upper, what }) =>
      `    ${shown(path)}: that of ${names[lower]}, not ${names[upper]}: ${what.join(', ')}`
  )
  return [
    `  ${count(kept.length, 'directory', 'directories')} kept the attributes of the lower module`,
    ...(verbose ? detail : [])
  ]
}

export const sandboxJson = ({ lock, ...report }: BuiltSandbox): object => ({
  ...report,
  lock: JSON.parse(formatLock(lock))
})

export function renderSandbox({
  directory,
  entries,
  fileBytes,
  applied,
  notApplied,
  lock,
  treeDigest
}: BuiltSandbox): string {
  const recorded = Object.entries(notApplied).filter(([, times]) => times > 0)
  const how = {
    root: 'everything as stored',
    user: 'as an ordinary user can; what could not be applied is recorded in .compose',
    'record-only': 'owners, ACLs and attributes are recorded in .compose, not applied'
  }
  return [
    `${directory}: ${count(entries, 'name')}, ${formatBytes(fileBytes)} in files`,
    `  ${how[applied]}`,
    ...recorded.map(([what, times]) => `  ${what} of ${count(times, 'path')} recorded only`),
    ...(treeDigest === undefined
      ? [`  tree sha256:${lock.treeDigest}`]
      : [
          '  times in whole seconds of 1970..2106, as the image has them',
          `  tree sha256:${treeDigest}; with the times of the layers sha256:${lock.treeDigest}`
        ])
  ].join('\n')
}
