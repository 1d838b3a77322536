import { count } from '../../store/values/index.ts'
import type { FileResult } from './run-file.ts'

/** `[ 12/159] ok   store/gc/gc-lock.test.js  8 in 1.3 s` */
export function progressLine(result: FileResult, done: number, all: number): string {
  const { name, passed, failed, skipped, seconds } = result
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

/** `left to npm run test:all: 12 files, 1,204 cases`; nothing where nothing is left */
export function leftLines(results: FileResult[], files: number): string[] {
  const cases = results.reduce((sum, { casesLeft }) => sum + casesLeft, 0)
  const counts = [files > 0 && count(files, 'long file'), cases > 0 && count(cases, 'case')]
  const left = counts.filter(Boolean).join(' and ')
  return left === '' ? [] : [`left to npm run test:all: ${left}`]
}

/** `412 passed, 0 failed, 3 skipped` */
export function closingLine(results: FileResult[]): string {
  const sum = (key: 'passed' | 'failed' | 'skipped') =>
    results.reduce((total, result) => total + result[key], 0)
  const skipped = sum('skipped')
  return `${sum('passed')} passed, ${sum('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

/** The files and the tests that took the longest, 20 and 50 of them. */
export function slowestLines(results: FileResult[]): string[] {
  const slowest = (rows: { title: string; seconds: number }[], count: number) =>
    rows
      .sort((a, b) => b.seconds - a.seconds)
      .slice(0, count)
      .map(({ title, seconds }) => `${seconds.toFixed(1)} s  ${title}`)
  const files = results.map(({ name, seconds }) => ({ title: name, seconds }))
  const tests = results.flatMap(({ name, tests }) =>
    tests.map(({ title, seconds }) => ({ title: `${name}: ${title}`, seconds }))
  )
  return [...slowest(files, 20), '', ...slowest(tests, 50), '']
}

/** `flaky: cli/run.test.js passed only the second time; before: "a program starts"` */
export function flakyLine(result: FileResult): string {
  const titles = [...result.output.matchAll(/^ {3}FAIL .*"(.*)"$/gm)].map(([, title]) => `"${title}"`)
  const reason = titles.length > 0 ? titles.join(', ') : result.output.trimEnd().split('\n').at(-1)
  return `flaky: ${result.name} passed only the second time; before: ${reason}`
}
