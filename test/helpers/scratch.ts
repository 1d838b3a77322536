import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const made: string[] = []

process.on('exit', () => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true })
})

/** A new empty directory, removed when the process ends. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'strata-test-'))
  made.push(directory)
  return directory
}
