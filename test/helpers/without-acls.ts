import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { scratch } from './scratch.ts'

/** A file system that knows no attributes at all: needs root and mount. */
export function withoutAcls(test: (folder: string) => void): void {
  const at = scratch()
  chmodSync(at, 0o755)
  const folder = join(at, 'plain')
  mkdirSync(folder)
  execFileSync('mount', ['-t', 'ramfs', 'ramfs', folder])
  try {
    test(folder)
  } finally {
    execFileSync('umount', [folder])
  }
}
