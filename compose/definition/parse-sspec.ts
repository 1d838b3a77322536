/** Parses SSPEC files of Singularity 1.x (spec/definitions.md#sspec). */
import { refuseAt, type Section, type Stage } from './parse-definition.ts'

const KEYS = ['name', 'summary', 'maintainer', 'exec', 'debugos', 'nodeps', 'nolocale']
const SECTIONS = ['packages', 'files', 'build', 'install', 'post', 'runscript', 'test']
/** Sections and keys that no definition has, and keys that every .spec file of RPM has. */
const OWN_LINE = /^(?:%(?:packages|build|install)[ \t\r]*$|(?:exec|debugos|nodeps|nolocale):)/im
const OF_OTHERS = /^(?:bootstrap|release)\s*:/im

const keyOf = (line: string): string | undefined => {
  const colon = line.indexOf(':')
  const key = line.slice(0, Math.max(0, colon))
  return /^[A-Za-z][\w.-]*$/.test(key) ? key.toLowerCase() : undefined
}

const isBlank = (line: string): boolean => /^\s*(#.*)?$/.test(line)

/**
 * True for the text of an SSPEC file: its first line has a key of one, or begins a section, and it has what no definition
 * and no .spec file of RPM has.
 */
export function looksLikeSspec(text: string): boolean {
  const first = text.split(/\r\n?|\n/).find(line => !isBlank(line)) ?? ''
  const key = keyOf(first)
  if (OF_OTHERS.test(text)) return false
  if (key !== undefined) return KEYS.includes(key) && (OWN_LINE.test(text) || SECTION_OF_BOTH.test(text))
  return SECTIONS.includes(first.trim().slice(1)) && first.startsWith('%') && OWN_LINE.test(text)
}

const SECTION_OF_BOTH = /^%(?:files|post|runscript|test)\s*$/im

/**
 * The keys as the header of a stage, and its sections without comments and empty lines.
 * @param note told of keys that mean nothing
 * @throws StrataError DEFINITION_INVALID with file and line
 */
export function parseSspec(text: string, file: string, note: (text: string) => void): Stage {
  const stage: Stage = { line: 1, header: new Map(), sections: [] }
  const lines = text.split(/\r\n?|\n/)
  for (const [i, each] of lines.entries()) {
    const line = i + 1
    if (isBlank(each)) continue
    if (each.startsWith('%'))
      stage.sections.push({ name: sectionOf(each, file, line), argument: '', line, body: [] })
    else if (stage.sections.length > 0) stage.sections.at(-1)!.body.push({ text: each.trim(), line })
    else addKey(stage, each, file, line, note)
  }
  return stage
}

/** Lines of all sections of a name. */
export const bodyOf = ({ sections }: Stage, name: string): Section['body'] =>
  sections.filter(section => section.name === name).flatMap(({ body }) => body)

function sectionOf(text: string, file: string, line: number): string {
  const name = text.slice(1).trimEnd()
  if (SECTIONS.includes(name)) return name
  return refuseAt(
    file,
    line,
    `"${text.trimEnd().slice(0, 80)}" is no section of an SSPEC file`,
    `known: ${SECTIONS.map(each => `%${each}`).join(', ')}, alone in their lines`
  )
}

function addKey(
  { header }: Stage,
  text: string,
  file: string,
  line: number,
  note: (text: string) => void
): void {
  const key = keyOf(text)
  if (key === undefined)
    refuseAt(
      file,
      line,
      `"${text.trim().slice(0, 80)}" is not of the form Key: value, and stands in no section`
    )
  const value = text.slice(text.indexOf(':') + 1).trim()
  if (!KEYS.includes(key))
    note(`${file}, line ${line}: the key ${text.slice(0, key.length)} means nothing in an SSPEC file`)
  else if (!header.has(key)) header.set(key, { value, line })
}
