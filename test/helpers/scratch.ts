import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new empty directory, removed when the process ends. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'strata-test-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  return directory
}
