/** What a definition takes of the host from elsewhere than its own folder (spec/definitions.md#files). */
import { readdirSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { pathFromText, showPath } from '../../store/values/index.ts'
import { refuseAt } from './parse-definition.ts'
import { isBelow } from './source-files.ts'

export interface Taking {
  /** The definition. */
  file: string
  line: number
  /** Nothing outside of it may be taken; undefined: it is told. */
  filesWithin?: string
  /** True for a base, in which links stay links: only its own place counts. */
  isBase?: boolean
  note(text: string): void
}

const MOST_NAMED = 20

/**
 * Links are followed by copies, so what counts is where a path leads.
 * @param paths of the host, which are there
 * @throws StrataError DEFINITION_INVALID for one outside of `filesWithin`; Error for one that cannot be looked at
 */
export function tellOutside({ file, line, filesWithin, isBase, note }: Taking, paths: string[]): void {
  const folder = realpathSync(filesWithin ?? dirname(realpathSync(file)))
  const found = paths.flatMap(path => leadingOut(folder, resolve(path), isBase ? undefined : new Set()))
  if (found.length === 0) return
  if (filesWithin !== undefined)
    refuseAt(
      file,
      line,
      `${found[0]} is outside of ${filesWithin}, and --files-within takes nothing from there`,
      `copy it to ${filesWithin}, or leave --files-within out, if the definition may have it`
    )
  const more = found.length - MOST_NAMED
  const named = [...found.slice(0, MOST_NAMED), ...(more > 0 ? [`${more} more`] : [])]
  note(`${file}, line ${line} takes from outside of its folder: ${named.join(', ')}`)
}

/** @param seen folders that were looked at, as links may lead in circles; undefined to look into none */
function leadingOut(folder: string, path: string, seen: Set<string> | undefined): string[] {
  const real = realpathSync.native(path)
  if (!isBelow(folder, real)) return [shown(path, real)]
  if (seen === undefined || seen.has(real) || !statSync(real).isDirectory()) return []
  seen.add(real)
  return readdirSync(real, { withFileTypes: true })
    .filter(entry => entry.isDirectory() || entry.isSymbolicLink())
    .flatMap(({ name }) => leadingOut(folder, join(real, name), seen))
}

const shown = (path: string, real: string): string =>
  path === real ? show(path) : `${show(path)}, which leads to ${show(real)}`

const show = (path: string): string => showPath(pathFromText(path))
