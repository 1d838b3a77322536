import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scratch } from './scratch.ts'

/** Debian's golang-github-sylabs-sif-dev: the Go library for SIF files. */
const LIBRARY = '/usr/share/gocode/src/github.com/sylabs/sif'
const SOURCE = fileURLToPath(new URL('../../../test/compose/sif/oracle.go', import.meta.url))

/** What `needing` asks for. */
export const SIF_ORACLE = ['go', 'golang-github-sylabs-sif-dev']

let made: string | undefined

/** Compiles test/compose/sif/oracle.go, once. @returns its standard output; throws if it ends with an error */
export function sifOracle(...args: string[]): string {
  made ??= compiled()
  return execFileSync(made, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

function compiled(): string {
  const folder = scratch()
  const place = join(folder, 'path/src/github.com/sylabs/sif')
  mkdirSync(place, { recursive: true })
  // Without modules, Go does not know that v2 is the version.
  symlinkSync(LIBRARY, join(place, 'v2'))
  cpSync(SOURCE, join(folder, 'oracle.go'))
  execFileSync('go', ['build', '-o', 'oracle', 'oracle.go'], {
    cwd: folder,
    env: {
      ...process.env,
      ...{ GO111MODULE: 'off', GOCACHE: join(folder, 'cache'), HOME: folder },
      GOPATH: `${join(folder, 'path')}:/usr/share/gocode`
    }
  })
  return join(folder, 'oracle')
}
