import type { BuildPlan, BuildReport, BuiltSandbox } from '../../compose/outputs/index.ts'
import { formatLock } from '../../compose/stack/index.ts'
import { formatAclLine } from '../../store/acl/index.ts'
import { count, type PathBytes, showPath } from '../../store/values/index.ts'
import { formatBytes } from './format-values.ts'
import { pathJson, rightsJson } from './json-values.ts'

type ComposedReport = Omit<BuildReport, 'image' | 'form' | 'link'>

const showRootedPath = (path: PathBytes): string => `/${showPath(path)}`

export const buildJson = ({ image, form, link, verity, ...rest }: BuildReport): object => ({
  output: image,
  format: form,
  ...link,
  ...(verity && { verity: { root: verity.root, hashStart: verity.hashStart } }),
  ...composedJson(rest)
})

export const planJson = ({ inodes, ...rest }: BuildPlan): object => ({ inodes, ...composedJson(rest) })

export const renderPlan = (plan: BuildPlan, verbose: boolean): string =>
  [
    `nothing was written: ${count(plan.inodes, 'inode')} from ${count(plan.lock.modules.length, 'module')}`,
    ...plan.lock.modules.map(({ name }) => `    ${name ?? 'bare layers'}`),
    ...composedLines(plan, 'which the output keeps', verbose)
  ].join('\n')

/** The fields that the documents of all outputs share. */
export const composedJson = ({
  lock,
  audience,
  keptDirectories,
  overrides,
  shadowed,
  environmentLosses,
  edits
}: ComposedReport): object => ({
  lock: JSON.parse(formatLock(lock)),
  audience: {
    text: audience.text,
    aclPaths: audience.report.aclPaths,
    unusable: audience.report.lost.map(({ path, entry, rights }) => ({
      ...pathJson(path),
      entry: formatAclLine({ entries: [entry] }),
      rights: rightsJson(rights)
    })),
    unusableCount: audience.report.lostCount,
    widened: audience.report.widened,
    suggestions: audience.report.suggestions
  },
  ...foundJson({ keptDirectories, overrides }),
  shadowed: shadowed.map(pathJson),
  environmentLosses,
  ...(edits && {
    edits: {
      added: edits.added,
      changed: edits.changed,
      deleted: edits.deleted,
      regenerated: edits.regenerated.map(pathJson),
      privileged: edits.privileged.map(({ path, ...what }) => ({ ...pathJson(path), ...what }))
    }
  })
})

/** Directories and files in which modules met; modules are given by their place in the lock. */
const foundJson = ({
  keptDirectories,
  overrides
}: Pick<ComposedReport, 'keptDirectories' | 'overrides'>) => ({
  keptDirectories: keptDirectories.map(({ path, ...rest }) => ({ ...pathJson(path), ...rest })),
  overrides: overrides.map(({ path, ...rest }) => ({ ...pathJson(path), ...rest }))
})

export function renderBuild(built: BuildReport, verbose: boolean): string {
  const { image, link, lock, verity } = built
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
          `  ${count(link.clampedTimes, 'time')} outside 1970..2106, which SquashFS cannot hold, moved to the nearer end`
        ]
      : []),
    ...(verity ? [`  verity root ${verity.root}, hash tree at ${verity.hashStart}`] : []),
    ...(lock.imageDigest ? [`  image sha256:${lock.imageDigest}`] : [])
  ].join('\n')
}

/** @param aclsAre where the ACLs are in this output */
export function composedLines(built: ComposedReport, aclsAre: string, verbose: boolean): string[] {
  const { lock, audience } = built
  return [
    `  ${audience.text}`,
    ...(audience.report.aclPaths > 0 ? aclLines(audience.report, aclsAre, verbose) : []),
    ...foundLines(built, lock, verbose),
    ...editLines(built.edits, verbose),
    ...runtimeLines(built, verbose),
    `  tree sha256:${lock.treeDigest}`
  ]
}

function aclLines(
  { aclPaths, paths, lost, lostCount, suggestions, widened }: BuildReport['audience']['report'],
  aclsAre: string,
  verbose: boolean
): string[] {
  const lines = [`  ${count(aclPaths, 'path')} with ACLs, ${aclsAre}`]
  if (widened > 0)
    lines.push(`  WARNING: --acl-modes group gives ${count(widened, 'path')} more rights than their ACLs`)
  if (paths === 0) return lines
  const remedy = suggestions.length > 0 ? `; --for ${suggestions[0]} would keep most` : ''
  lines.push(`  ${count(paths, 'path')} with named grants that this audience cannot use${remedy}`)
  const detail = lost.map(
    ({ path, entry }) => `    ${showRootedPath(path)}: ${formatAclLine({ entries: [entry] })}`
  )
  if (lostCount > lost.length) detail.push(`    and ${lostCount - lost.length} more`)
  return verbose ? [...lines, ...detail] : lines
}

function editLines(edits: BuildReport['edits'], verbose: boolean): string[] {
  if (edits === undefined) return []
  const { added, changed, deleted, skipped, leftOut, unprivileged, regenerated } = edits
  const listed = (what: string, lines: string[]) =>
    lines.length === 0
      ? []
      : [`  ${count(lines.length, 'path')} ${what}`, ...(verbose ? lines.map(line => `    ${line}`) : [])]
  const isChanged = added + changed + deleted > 0
  return [
    isChanged
      ? `  changed in the sandbox: ${added} new, ${changed} changed, ${deleted} deleted`
      : '  nothing was changed in the sandbox',
    ...listed('deleted in the sandbox, but part of every image', regenerated.map(showRootedPath)),
    ...listed(
      'left out',
      skipped.map(({ path, reason }) => `${showRootedPath(path)}: ${reason}`)
    ),
    ...leftOut
      .list()
      .map(
        ({ name, reason, paths }) => `  ${count(paths, 'path')} with ${showPath(name)}, ${reason}: left out`
      ),
    ...listed(
      'lost set-id bits or capabilities because their content changed',
      unprivileged.map(showRootedPath)
    )
  ]
}

function runtimeLines({ shadowed, environmentLosses }: ComposedReport, verbose: boolean): string[] {
  const losses = environmentLosses.map(({ name, reason }) => `  ch-run --set-env: ${name} ${reason}`)
  if (shadowed.length === 0) return losses
  const detail = verbose ? shadowed.map(path => `    ${showRootedPath(path)}`) : []
  return [...losses, `  ${count(shadowed.length, 'file')} for runtimes come from the modules`, ...detail]
}

function keptLines(kept: BuildReport['keptDirectories'], names: string[], verbose: boolean): string[] {
  if (kept.length === 0) return []
  const detail = kept.map(
    ({ path, lower, upper, what }) =>
      `    ${showRootedPath(path)}: that of ${names[lower]}, not ${names[upper]}: ${what.join(', ')}`
  )
  return [
    `  ${count(kept.length, 'directory', 'directories')} kept the attributes of the lower module`,
    ...(verbose ? detail : [])
  ]
}

function overrideLines(overrides: BuildReport['overrides'], names: string[], verbose: boolean): string[] {
  if (overrides.length === 0) return []
  const hidden = overrides.reduce((sum, { names }) => sum + names, 0)
  const access = overrides.filter(({ names }) => names === 0).length
  const flags = [...new Set(overrides.map(({ by }) => (by === 'replaces' ? "a record's `replaces`" : by)))]
  const what = [
    ...(hidden > 0 ? [`${count(hidden, 'path')} of lower modules replaced or removed`] : []),
    ...(access > 0 ? [`${count(access, 'directory', 'directories')} with the access of an upper module`] : [])
  ]
  const detail = overrides.map(
    ({ path, lower, upper, reason, names: gone }) =>
      `    ${showRootedPath(path)}: ${names[upper]} over ${names[lower]}: ${reason}${gone > 1 ? `, ${gone} paths` : ''}`
  )
  return [
    `  ${what.join(', ')} (${flags.join(', ')})${verbose ? '' : '; --verbose lists them'}`,
    ...(verbose ? detail : [])
  ]
}

function foundLines(
  { keptDirectories, overrides }: Pick<ComposedReport, 'keptDirectories' | 'overrides'>,
  { modules }: BuildReport['lock'],
  verbose: boolean
): string[] {
  const names = modules.map(({ name }) => name ?? 'bare layers')
  return [...overrideLines(overrides, names, verbose), ...keptLines(keptDirectories, names, verbose)]
}

export const sandboxJson = ({
  directory,
  lock,
  treeDigest,
  keptDirectories = [],
  overrides = [],
  ...report
}: BuiltSandbox): object => ({
  output: directory,
  format: 'sandbox',
  ...report,
  ...(treeDigest !== undefined && { tree: `sha256:${treeDigest}` }),
  ...foundJson({ keptDirectories, overrides }),
  lock: JSON.parse(formatLock(lock))
})

export function renderSandbox(
  {
    directory,
    entries,
    fileBytes,
    applied,
    notApplied,
    lock,
    treeDigest,
    keptDirectories = [],
    overrides = []
  }: BuiltSandbox,
  verbose = false
): string {
  const recorded = Object.entries(notApplied).filter(([, times]) => times > 0)
  const how = {
    root: 'all owners, modes, ACLs and attributes were set as stored',
    user: 'set as far as an ordinary user can; the rest is recorded in .compose',
    'record-only': 'owners, ACLs and attributes are recorded in .compose, and were not set',
    capture: 'set for commands that are captured in it'
  }
  return [
    `${directory}: ${count(entries, 'name')}, ${formatBytes(fileBytes)} in files`,
    `  ${how[applied]}`,
    ...foundLines({ keptDirectories, overrides }, lock, verbose),
    ...recorded.map(([what, times]) => `  ${what} of ${count(times, 'path')} recorded only`),
    ...(treeDigest === undefined
      ? [`  tree sha256:${lock.treeDigest}`]
      : [
          '  times in whole seconds of 1970..2106, as the image has them',
          `  tree sha256:${treeDigest}; with the times of the layers sha256:${lock.treeDigest}`
        ])
  ].join('\n')
}
