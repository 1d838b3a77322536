import type { FileResult } from './run-file.ts'

/** `[ 12/159] ok   store/gc/gc-lock.test.js  8 in 1.3 s` */
export function progressLine(result: FileResult, name: string, done: number, all: number): string {
  const { passed, failed, skipped, seconds } = result
  const counts = [`${passed}`, failed > 0 && `${failed} failed`, skipped > 0 && `${skipped} skipped`]
  const place = `[${String(done).padStart(String(all).length)}/${all}]`
  return `${place} ${failed > 0 ? 'FAIL' : 'ok  '} ${name}  ${counts.filter(Boolean).join(', ')} in ${seconds.toFixed(1)} s`
}

/** uvu's text about failed tests, and the text after its summary; everything if uvu names no failed test. */
export function failureText({ output }: FileResult): string {
  const failures = output.split('\n').findIndex(line => /^ {3}FAIL /.test(line))
  return (failures < 0 ? output : output.split('\n').slice(failures).join('\n')).trimEnd()
}

/** `12 skipped: needs root`, the most frequent reason first. */
export function skipLines(results: FileResult[]): string[] {
  const counts = new Map<string, number>()
  for (const reason of results.flatMap(({ skipReasons }) => skipReasons))
    counts.set(reason, 1 + (counts.get(reason) ?? 0))
  return [...counts].sort(([, a], [, b]) => b - a).map(([reason, count]) => `${count} skipped: ${reason}`)
}

/** `412 passed, 0 failed, 3 skipped` */
export function closingLine(results: FileResult[]): string {
  const sum = (key: 'passed' | 'failed' | 'skipped') =>
    results.reduce((total, result) => total + result[key], 0)
  const skipped = sum('skipped')
  return `${sum('passed')} passed, ${sum('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
