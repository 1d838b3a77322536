/**
 * Runs every *.test.js below, each in a process of its own, as many at a time as there are cores, and ends with one
 * line: `412 passed, 0 failed, 3 skipped`. Arguments choose files whose path contains one of them.
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const TIMEOUT_MS = 20 * 60 * 1000

interface Totals {
  passed: number
  failed: number
  skipped: number
}

function testFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(entry => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return testFiles(path)
      return entry.name.endsWith('.test.js') ? [path] : []
    })
}

/** uvu's own summary, of one file. */
function totalsOf(output: string): Totals {
  const number = (label: string) => Number(new RegExp(`^ {2}${label}:\\s+(\\d+)`, 'm').exec(output)?.[1] ?? 0)
  const passed = number('Passed')
  const skipped = number('Skipped')
  return { passed, skipped, failed: Math.max(0, number('Total') - passed) }
}

function runFile(file: string): Promise<Totals> {
  return new Promise(resolve => {
    const started = performance.now()
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS })
    let output = ''
    child.stdout.on('data', data => {
      output += data
    })
    child.stderr.on('data', data => {
      output += data
    })
    child.on('close', (code, signal) => {
      const plain = output.replace(/\x1b\[[0-9;]*m/g, '')
      const totals = totalsOf(plain)
      const isComplete = /^ {2}Total:/m.test(plain)
      if (code !== 0 && totals.failed === 0) totals.failed = 1
      if (!isComplete && totals.failed === 0) totals.failed = 1 // it ended without a word
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      const skips = plain.split('\n').filter(line => line.startsWith('skipped: '))
      console.log(
        `${totals.failed > 0 ? 'FAIL' : 'ok  '} ${relative(here, file)}  ${totals.passed} in ${seconds} s`
      )
      for (const line of skips) console.log(`     ${line}`)
      if (totals.failed > 0) console.log(signal === null ? output : `${output}\nended by ${signal}`)
      resolve(totals)
    })
  })
}

const wanted = process.argv.slice(2)
const queue = testFiles(here).filter(
  file => wanted.length === 0 || wanted.some(part => relative(here, file).includes(part))
)
const sum: Totals = { passed: 0, failed: 0, skipped: 0 }

async function lane(): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const totals = await runFile(file)
    for (const key of Object.keys(sum) as (keyof Totals)[]) sum[key] += totals[key]
  }
}

await Promise.all(Array.from({ length: availableParallelism() }, lane))
console.log(
  `\n${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}`
)
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0
