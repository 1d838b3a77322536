/** A cell, or one with marks such as `(D)`, which stand below each other within a column. */
export type Cell = string | readonly [text: string, marks: string]

/** Gap between the widest text and the column of marks. */
const MARK_GAP = 1

/**
 * Lays out cells in as many columns as fit, down first and then right, as Lmod does.
 * @param width columns of the terminal
 */
export function columns(cells: readonly Cell[], width: number, gap = 3): string[] {
  const narrowest = cells.reduce((least, cell) => Math.min(least, widthOf([cell])), Number.POSITIVE_INFINITY)
  let count = Math.min(cells.length, Math.floor((width + gap) / (narrowest + gap)))
  for (; count > 1; count--) {
    const rows = Math.ceil(cells.length / count)
    const widths = columnsOf(cells, rows).map(widthOf)
    const total = widths.reduce((sum, each) => sum + each, 0) + gap * (widths.length - 1)
    if (total <= width) return lay(cells, rows, gap)
  }
  return lay(cells, cells.length, gap)
}

const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cell[0])
const marksOf = (cell: Cell): string => (typeof cell === 'string' ? '' : cell[1])

function widthOf(column: readonly Cell[]): number {
  const { text, marks } = partWidths(column)
  return marks === 0 ? text : text + MARK_GAP + marks
}

function partWidths(column: readonly Cell[]): { text: number; marks: number } {
  let [text, marks] = [0, 0]
  for (const cell of column) {
    text = Math.max(text, textOf(cell).length)
    marks = Math.max(marks, marksOf(cell).length)
  }
  return { text, marks }
}

const columnsOf = (cells: readonly Cell[], rows: number): (readonly Cell[])[] =>
  Array.from({ length: Math.ceil(cells.length / rows) }, (_, i) => cells.slice(i * rows, (i + 1) * rows))

function lay(cells: readonly Cell[], rows: number, gap: number): string[] {
  const padded = columnsOf(cells, rows).map(padColumn)
  return Array.from({ length: rows }, (_, row) =>
    padded
      .map(column => column[row] ?? '')
      .join(' '.repeat(gap))
      .trimEnd()
  )
}

function padColumn(column: readonly Cell[]): string[] {
  const { text, marks } = partWidths(column)
  if (marks === 0) return column.map(cell => textOf(cell).padEnd(text))
  return column.map(cell => textOf(cell).padEnd(text) + ' '.repeat(MARK_GAP) + marksOf(cell).padEnd(marks))
}
