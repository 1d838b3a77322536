import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { basename } from 'node:path'

/** Commit, machine and command: without them a figure is worth nothing. */
export function describeRun(): string {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim()
  const changed =
    git('status', '--porcelain', '--', 'store', 'compose', 'cli', 'native') === '' ? '' : ' and changes'
  const script = basename(process.argv[1])
  const words = process.argv.slice(2).map(word => basename(word))
  return [
    `commit ${git('rev-parse', '--short', 'HEAD')}${changed}`,
    `${cpus()[0].model.trim()}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`,
    `node dist/test/bench/${[script, ...words].join(' ')}`
  ].join('\n')
}

/** A Markdown table: the first column to the left, the others to the right. */
export function renderTable(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  const rule = head.map((_, i) => (i === 0 ? '---' : '--:'))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** `1.23 (1.20-1.31)`: median, lowest and highest. */
export const spread = (values: number[]): string =>
  values.length === 1
    ? values[0].toFixed(2)
    : `${median(values).toFixed(2)} (${Math.min(...values).toFixed(2)}-${Math.max(...values).toFixed(2)})`

export const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1)
