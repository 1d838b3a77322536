import { execFileSync } from 'node:child_process'
import type { Test, uvu } from 'uvu'

/**
 * A test that needs root, a kernel mount or a program that is not there is skipped with a line that says which.
 * With STRATA_TEST_ALL=1 (as .ci/run sets) a missing program fails the run instead.
 */

type Need = 'root' | 'user' | (string & {})

const found = new Map<string, boolean>()

function isThere(need: Need): boolean {
  if (need === 'root') return process.getuid?.() === 0
  if (need === 'user') return process.getuid?.() !== 0
  let there = found.get(need)
  if (there === undefined) {
    try {
      execFileSync('sh', ['-c', `command -v ${need}`], {
        stdio: 'ignore',
        env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
      })
      there = true
    } catch {
      there = false
    }
    found.set(need, there)
  }
  return there
}

/**
 * `suite` as it is where every need is met, else a stand-in whose tests are skipped.
 * @param needs `root`, `user`, or names of programs
 */
export function needing<T>(suite: Test<T>, ...needs: Need[]): (title: string, test: uvu.Callback<T>) => void {
  const missing = needs.filter(need => !isThere(need))
  if (missing.length === 0) return (title, test) => suite(title, test)
  return (title, test) => {
    const tools = missing.filter(need => need !== 'root' && need !== 'user')
    if (process.env.STRATA_TEST_ALL === '1' && tools.length > 0) {
      suite(title, () => {
        throw new Error(`needs ${tools.join(', ')}, which is not installed`)
      })
      return
    }
    console.log(`skipped: ${title}: needs ${missing.join(', ')}`)
    suite.skip(title, test)
  }
}
