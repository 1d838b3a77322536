/** Separator lines as wide as Lmod's. */

/** Lmod treats a narrower terminal as one of this width. */
const NARROWEST = 30
const SHORTEST_SIDE = 4

const widthOf = (columns: number): number => Math.max(columns, NARROWEST)

/** `------ title ------`, over the whole width. */
export function banner(title: string, columns: number): string {
  const taken = title.length + 2
  const left = Math.max(Math.floor((widthOf(columns) - taken) / 2), SHORTEST_SIDE)
  const right = Math.max(widthOf(columns) - taken - left, SHORTEST_SIDE)
  return `${'-'.repeat(left)} ${title} ${'-'.repeat(right)}`
}

/** Columns of the right margin that Lmod keeps. */
const MARGIN = 4

export const textWidth = (columns: number): number => widthOf(columns) - MARGIN

/** A line of dashes. */
export const rule = (columns: number): string => '-'.repeat(textWidth(columns))

/** Breaks text into lines shorter than `width`; a longer word gets a line of its own. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/).filter(word => word !== '')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, indent + line].join('\n')
}
