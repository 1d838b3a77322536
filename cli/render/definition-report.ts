/** `compose inspect --recipe`: the sources of each module of an image, as its record names them. */
import type { ImageDescription } from '../../compose/inspect/index.ts'
import type { Origin, PackageVersion } from '../../store/module/index.ts'
import { formatCid } from '../../store/values/index.ts'
import { originLines } from './origin.ts'

export const recipeJson = ({ lock, modules }: ImageDescription): object => ({
  modules: lock.modules.map(({ name, record, layers, captured }) => ({
    ...(name !== undefined && { module: name }),
    ...(record !== undefined && { record: formatCid(record) }),
    ...(captured && { captured }),
    layers: layers.map(formatCid),
    origin: modules.find(module => module.name === name)?.record.origin ?? []
  }))
})

export function renderRecipe({ lock, modules }: ImageDescription): string {
  const blocks = lock.modules.map(({ name, record, layers, captured }) => {
    const origins = modules.find(module => module.name === name)?.record.origin ?? []
    return [
      name ?? (captured ? 'changes in a sandbox' : 'layers without a module'),
      ...(record === undefined ? [] : [`  record ${formatCid(record)}`]),
      ...layers.map(layer => `  layer ${formatCid(layer)}`),
      ...origins.flatMap(originBlock)
    ].join('\n')
  })
  return blocks.join('\n\n')
}

function originBlock(origin: Origin): string[] {
  const [first, ...rest] = originLines(origin)
  return [`  from ${first}`, ...rest.map(line => `  ${line}`)]
}

/** The definition of one module as it is; those of several, with a line that names each. */
export function renderDefinitions(
  definitions: { module: string; definition: string; arguments: string[] }[]
): string {
  const texts = definitions.map(({ module, definition, arguments: given }) => {
    const head = definitions.length === 1 ? [] : [`# ${module}`]
    return [...head, ...given.map(each => `# --build-arg ${each}`), definition.trimEnd()].join('\n')
  })
  return texts.length === 0 ? 'no module was made by a definition or a command' : texts.join('\n\n')
}

export const renderPackages = (
  packages: (PackageVersion & { module: string; removed?: boolean })[]
): string =>
  packages.length === 0
    ? 'no module says which packages were installed'
    : packages
        .map(({ module, name, version, architecture, before, removed }) =>
          [
            name,
            removed ? `${version} -> removed` : before === undefined ? version : `${before} -> ${version}`,
            architecture ?? '-',
            module
          ].join('\t')
        )
        .join('\n')
