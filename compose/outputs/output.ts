/** Parts that outputs share: images, OCI layouts and tarballs report alike, and other programs get members of a tar. */

import { formatModuleName } from '../../store/module/index.ts'
import { formatCid } from '../../store/values/index.ts'
import { type AudienceReport, audienceReport, modeRule } from '../audience/index.ts'
import { type KeptDirectory, type Override, pathsWithAcl } from '../merge/index.ts'
import type { LayerHistory } from '../oci/index.ts'
import type { SandboxEdits } from '../sandbox/index.ts'
import type { Lock } from '../stack/index.ts'
import type { TarSource } from '../tar/index.ts'
import type { Composition } from './composition.ts'
import type { ImageOptions } from './image-options.ts'
import type { PreparedImage } from './prepare-image.ts'
import type { Target } from './resolve-target.ts'
import type { CompleteTree } from './with-generated.ts'

export interface OutputOptions extends ImageOptions {
  sync: boolean
  /** Check every data file that is read. */
  verify: boolean
  /** The user promises that the output stays on the site, so licences do not matter. */
  internal: boolean
  onProgress?: (bytes: number) => void
}

export interface OutputReport {
  lock: Lock
  audience: { text: string; report: AudienceReport }
  keptDirectories: KeptDirectory[]
  overrides: Override[]
  shadowed: CompleteTree['shadowed']
  environmentLosses: CompleteTree['environmentLosses']
  /** The changes in a sandbox, if the output is made from one. */
  edits?: SandboxEdits
}

export const tarSource = ({ audience, lock }: PreparedImage, { tree, data }: CompleteTree): TarSource => ({
  tree,
  data,
  modeOf: modeRule(audience, lock.parameters.aclModes)
})

/** The origin of each layer of the tree. */
export function layerHistory({ modules }: Composition, { tree }: CompleteTree): LayerHistory[] {
  const layers = modules.flatMap(({ metadata, captured, layers }) => {
    const name = metadata
      ? formatModuleName(metadata.record)
      : captured
        ? 'changes in a sandbox'
        : 'layers without a module'
    return layers.map(id => ({ name, id: formatCid(id) }))
  })
  const generated = tree.layers.slice(layers.length).map(() => ({ name: 'files for runtimes, records' }))
  return [...layers, ...generated]
}

export const outputReport = (
  { composition, audience, audienceText, lock }: Omit<PreparedImage, 'licensed'>,
  { shadowed, environmentLosses }: CompleteTree,
  { edits }: Target
): OutputReport => ({
  lock,
  audience: {
    text: audienceText,
    report: audienceReport(audience, pathsWithAcl(composition.tree), { aclModes: lock.parameters.aclModes })
  },
  keptDirectories: composition.tree.keptDirectories,
  overrides: composition.tree.overrides,
  shadowed,
  environmentLosses,
  edits
})
