/** Texts for people: the sources of the image, and its help. */

import type { ModuleRecord } from '../../store/module/index.ts'
import { formatCid } from '../../store/values/index.ts'
import type { ImageModule } from './image-module.ts'

const RECIPE_HEAD = `# What this image was composed of, bottom to top. The image is made again from this list by
# \`compose build\` (see /.compose/lock and /.compose/layers), not by \`apptainer build\`.
Bootstrap: scratch
`

/** The definition that `apptainer inspect --deffile` shows. */
export const formatRecipe = (modules: ImageModule[]): string =>
  RECIPE_HEAD +
  modules
    .map(
      module =>
        `\n${formatModule(module)
          .map(line => `# ${line}\n`)
          .join('')}`
    )
    .join('')

function formatModule({ name, recordId, record, layers }: ImageModule): string[] {
  return [
    name ?? 'layers without a module',
    ...(recordId === undefined ? [] : [`  record ${formatCid(recordId)}`]),
    ...layers.map(layer => `  layer ${formatCid(layer)}`),
    ...(record?.origin ?? []).map(
      ({ kind, name, sha256 }) =>
        `  from ${[kind, name, sha256 && `sha256:${sha256}`].filter(part => part !== undefined).join(' ')}`
    )
  ]
}

/**
 * The text that `apptainer run-help` prints: the help of the topmost module that has one, and a list of all modules.
 */
export function formatHelp(modules: ImageModule[], records: ModuleRecord[]): string {
  const help = records.findLast(record => record.help !== undefined)?.help
  const list = modules.map(
    ({ name = 'layers without a module', record }) =>
      `  ${name}${record?.summary === undefined ? '' : `: ${record.summary}`}\n`
  )
  return `${help === undefined ? '' : `${help.trimEnd()}\n\n`}Modules in this image, bottom to top:\n${list.join('')}`
}
