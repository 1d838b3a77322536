/**
 * The layer hash list has one line per layer, bottom to top: layer id, module record id, module name
 * (spec/lock.md#list). Together with the image parameters it determines an image. Layer ids alone are a list, too.
 */

import { formatModuleName, parseModuleName } from '../../store/module/index.ts'
import { count, DAG_JSON, formatCid, parseCid, StrataError } from '../../store/values/index.ts'
import type { ChosenModule } from './chosen-module.ts'

/** Written where there is no record and no name. */
const NOTHING = '-'
const CAPTURED = 'captured'

export function formatLayerList(modules: ChosenModule[]): string {
  const lines = modules.flatMap(({ name, record, layers, captured }) =>
    layers.map(layer => {
      const tail = captured ? CAPTURED : (name ?? NOTHING)
      return `${formatCid(layer)} ${record === undefined ? NOTHING : formatCid(record)} ${tail}\n`
    })
  )
  return lines.join('')
}

/** True if the text may be a layer list: its first line that is not a comment begins with an id. */
export function looksLikeLayerList(text: string): boolean {
  const first = text.split('\n').find(line => !/^\s*(?:#|$)/.test(line))
  return first !== undefined && /^\s*b[a-z2-7]{20}/.test(first)
}

/**
 * Parses a list. Lines of one module are neighbours, and `#` begins a comment line.
 * @param source name of the text in messages
 * @throws StrataError LOCK_INVALID with the line
 */
export function parseLayerList(text: string, source: string): ChosenModule[] {
  const modules: ChosenModule[] = []
  for (const [i, line] of text.split('\n').entries()) {
    const where = `${source}, line ${i + 1}`
    const words = line.trim().split(/\s+/)
    if (words[0] === '' || words[0].startsWith('#')) continue
    if (words.length !== 1 && words.length !== 3) throw refuse(where, `has ${count(words.length, 'word')}`)
    addLayer(modules, words, where)
  }
  if (modules.length === 0) throw refuse(source, 'names no layer')
  return modules
}

function addLayer(
  modules: ChosenModule[],
  [layerText, recordText = NOTHING, name = NOTHING]: string[],
  where: string
): void {
  const layer = parseCid(layerText, DAG_JSON, where, 'LOCK_INVALID')
  const record = recordText === NOTHING ? undefined : parseCid(recordText, DAG_JSON, where, 'LOCK_INVALID')
  if (name === CAPTURED) {
    modules.push({ layers: [layer], captured: true })
    return
  }
  if ((record === undefined) !== (name === NOTHING))
    throw refuse(where, 'names only one of module record and module')
  const last = modules.at(-1)
  if (record !== undefined && last?.record?.equals(record)) {
    last.layers.push(layer)
    return
  }
  modules.push(
    record === undefined ? { layers: [layer] } : { name: checkName(name, where), record, layers: [layer] }
  )
}

function checkName(name: string, where: string): string {
  try {
    return formatModuleName(parseModuleName(name))
  } catch (cause) {
    throw new StrataError('LOCK_INVALID', { message: `${where}: ${(cause as Error).message}`, cause })
  }
}

const refuse = (where: string, what: string): StrataError =>
  new StrataError('LOCK_INVALID', {
    message: `${where} ${what}; wanted LAYER-ID, or LAYER-ID RECORD-ID MODULE`,
    hint: 'compose list --layers (prints such a list)'
  })
