/**
 * Cells below each other in as many columns as fit, as Lmod lays out its lists: down first, then right.
 * @param width columns of the terminal
 */
export function columns(cells: string[], width: number, gap = 3): string[] {
  for (let rows = 1; rows < cells.length; rows++) {
    const widths = columnWidths(cells, rows)
    const total = widths.reduce((sum, each) => sum + each, 0) + gap * (widths.length - 1)
    if (total <= width) return lay(cells, rows, widths, gap)
  }
  return cells
}

function columnWidths(cells: string[], rows: number): number[] {
  const widths: number[] = []
  for (let start = 0; start < cells.length; start += rows)
    widths.push(Math.max(...cells.slice(start, start + rows).map(cell => cell.length)))
  return widths
}

const lay = (cells: string[], rows: number, widths: number[], gap: number): string[] =>
  Array.from({ length: rows }, (_, row) =>
    widths
      .map((width, column) => (cells[column * rows + row] ?? '').padEnd(width))
      .join(' '.repeat(gap))
      .trimEnd()
  )
