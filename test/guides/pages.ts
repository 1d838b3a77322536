/** Extracts the commands of pages: every indented block, line by line. Fenced blocks without `$` hold no commands. */
import { readFileSync } from 'node:fs'

export const PAGES = ['README.md', 'spec/administrator.md', 'spec/user.md'] as const

/**
 * Commands that the guides' tests do not type, by their beginning: the test that runs them, or why no test can. A contract
 * test (test/contract/guides.test.ts) refuses rows that no page needs any more.
 */
export const ELSEWHERE: readonly [beginning: string, where: string][] = [
  ['npm run demo', 'test/install/fresh-clone.test.ts'],
  ['npm test', 'test/install/fresh-clone.test.ts'],
  [
    'compose import base/debian-13 docker://',
    'test/cli/registry.long.test.ts: a registry, which a test starts'
  ],
  ['compose import base/debian-12.1 docker://', 'test/cli/registry.long.test.ts'],
  ['compose build debian.sqfs docker://', 'test/cli/registry.long.test.ts'],
  ['compose run docker://', 'test/cli/registry.long.test.ts'],
  ['compose login', 'test/cli/registry.long.test.ts'],
  ['compose push vasp', 'test/cli/registry.long.test.ts'],
  ['compose push app/vasp-6.4 registry.example.org/site', 'test/cli/registry-modules.long.test.ts'],
  ['compose push app/vasp-6.4 registry.example.org/licensed', 'test/cli/registry-modules.long.test.ts'],
  ['compose push stack.lock', 'test/cli/registry-locks.longest.test.ts'],
  ['compose push --all', 'test/cli/remotes.long.test.ts'],
  ['compose pull', 'test/cli/registry-modules.long.test.ts'],
  ['compose push mpi/openmpi', 'test/cli/registry-modules.long.test.ts'],
  ['compose remote', 'test/cli/remotes.long.test.ts'],
  ['compose capture app/tools', 'test/compose/capture/capture.test.ts'],
  ['compose capture lib/ssh', 'test/compose/capture/capture.test.ts'],
  ['compose build tool.sqfs tool.def', 'test/compose/definition/build-definition.long.test.ts'],
  ['compose export app/vasp-6.4 ./vasp-out', 'test/guides/encryption.long.test.ts'],
  ['age-keygen', 'test/guides/encryption.long.test.ts'],
  ['age -d', 'test/guides/encryption.long.test.ts'],
  ['tar -C ./vasp-out', 'test/guides/encryption.long.test.ts'],
  [
    'compose build ./vasp-oci base/debian app/vasp --format oci --internal',
    'test/guides/encryption.long.test.ts'
  ],
  ['openssl genrsa', 'test/guides/encryption.long.test.ts'],
  ['openssl rsa', 'test/guides/encryption.long.test.ts'],
  ['skopeo copy --encryption-key', 'test/guides/encryption.long.test.ts'],
  ['skopeo copy --decryption-key', 'test/guides/encryption.long.test.ts'],
  ['apptainer run', 'test/cli/runtimes.long.test.ts: Debian has no Apptainer, so what it reads is read there']
]

/** The commands of a page that the guides' tests type. */
export const typedOf = (page: string): string[] =>
  commandsOf(page).filter(command => !ELSEWHERE.some(([beginning]) => command.startsWith(beginning)))

/** Commands of a page, in its order; those that go over several lines as one. @param heading of a section, else all */
export function commandsOf(page: string, heading?: string): string[] {
  const whole = readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8')
  const sections = whole.split(/^## /m)
  const text = heading === undefined ? whole : (sections.find(each => each.startsWith(`${heading}\n`)) ?? '')
  const typed: string[] = []
  let isFenced = false
  for (const line of text.replaceAll(/\\\n\s*/g, '').split('\n')) {
    if (line.startsWith('```')) isFenced = !isFenced
    else if (isFenced && line.startsWith('$ ')) typed.push(line.slice(2))
    else if (!isFenced && line.startsWith('    ')) typed.push(line.trim())
  }
  return typed
}
