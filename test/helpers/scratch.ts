import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const made: string[] = []

process.on('exit', () => {
  for (const directory of made) removeTree(directory)
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
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'strata-test-'))
  made.push(directory)
  return directory
}
