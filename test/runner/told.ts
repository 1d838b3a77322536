import { existsSync, readFileSync, rmSync } from 'node:fs'

/** What a test file told the runner (test/helpers/tell-runner.ts). */
export interface Told {
  /** In the order in which they began. */
  tests: { title: string; seconds: number }[]
  /** Number of cases that it left to a larger size. */
  casesLeft: number
}

/**
 * Read the lines that a test file told, and remove their file.
 * @param endMilliseconds when the test file ended
 */
export function takeTold(file: string, endMilliseconds: number): Told {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
  rmSync(file, { force: true })
  const said = lines.flatMap(line => {
    const [, time, word, value] = /^(\d+) (in|left): (.*)$/.exec(line) ?? []
    return word === undefined ? [] : [{ milliseconds: Number(time), word, value }]
  })
  const begun = said.filter(({ word }) => word === 'in')
  return {
    tests: begun.map(({ milliseconds, value }, i) => ({
      title: value,
      seconds: ((begun[i + 1]?.milliseconds ?? endMilliseconds) - milliseconds) / 1000
    })),
    casesLeft: said.reduce((sum, { word, value }) => sum + (word === 'left' ? Number(value) : 0), 0)
  }
}
