/** `compose inspect --recipe`: what each module of an image was made from, as its record says. */
import type { ImageDescription } from '../../compose/inspect/open-image.ts'
import { formatCid } from '../../store/digest.ts'
import type { Origin } from '../../store/module/record.ts'
import { showText } from '../../store/path-bytes.ts'

export const recipeJson = ({ lock, modules }: ImageDescription): object => ({
  modules: lock.modules.map(({ name, record, layers, captured }) => ({
    ...(name !== undefined && { name }),
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
      ...origins.flatMap(originLines)
    ].join('\n')
  })
  return blocks.join('\n\n')
}

function originLines({ kind, name, reference, platform, sha256, packages, recipe }: Origin): string[] {
  const words = [kind, name, reference, platform, sha256 && `sha256:${sha256}`]
  return [
    `  from ${words.filter(word => word !== undefined).join(' ')}`,
    ...(packages ?? []).map(owner => `    ${Object.values(owner).join(' ')}`),
    ...(recipe ?? '')
      .split('\n')
      .filter(line => line.trim() !== '')
      .map(line => `    | ${showText(line)}`)
  ]
}
