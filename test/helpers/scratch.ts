import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const made: string[] = []

process.on('exit', () => {
  if (made.length === 0) return
  // Stores of groups have 1,300 folders, which Node removes in six times the time.
  const { status } = spawnSync('rm', ['-rf', '--', ...made], { stdio: 'ignore' })
  if (status !== 0) for (const directory of made) removeTree(directory)
})

/** Also where folders are such that their owner may not change them, or paths longer than the kernel resolves. */
export function removeTree(directory: string): void {
  try {
    rmSync(directory, { recursive: true, force: true })
  } catch {
    execFileSync('sh', ['-c', 'chmod -R u+rwX "$1"; rm -rf "$1"', 'sh', directory], { stdio: 'ignore' })
  }
}

/** A new empty directory, removed when the process ends. */
export function scratch(above = tmpdir()): string {
  const directory = mkdtempSync(join(above, 'strata-test-'))
  made.push(directory)
  return directory
}
