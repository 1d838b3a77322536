/** Paragraphs of fields, as in a package's control file and in dpkg's status file (deb822(5)). */

/** Values by field name in lower case; continuation lines are joined by line breaks, without their first blank. */
export type Paragraph = Map<string, string>

/** Lines that are neither a field nor a continuation are skipped, as dpkg-query skips them. */
export function* parseDeb822(text: string): Generator<Paragraph> {
  let paragraph: Paragraph = new Map()
  let name: string | undefined
  for (const line of text.split('\n')) {
    if (line.trim() === '') {
      if (paragraph.size > 0) yield paragraph
      paragraph = new Map()
      name = undefined
      continue
    }
    if (line.startsWith('#')) continue
    const field = /^([!-9;-~]+):[ \t]*(.*)/s.exec(line)
    if (field !== null) {
      name = field[1].toLowerCase()
      paragraph.set(name, field[2].trimEnd())
    } else if (name !== undefined && /^[ \t]/.test(line))
      paragraph.set(name, `${paragraph.get(name)}\n${line.slice(1).trimEnd()}`)
  }
  if (paragraph.size > 0) yield paragraph
}
