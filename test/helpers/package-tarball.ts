import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scratch } from './scratch.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

let packed: string | undefined

/** The package of `npm pack`, made once. Nothing is built, because the build that runs the tests exists. */
export function packageTarball(): string {
  if (packed !== undefined) return packed
  const folder = scratch()
  execFileSync('chmod', ['755', folder])
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
    stdio: 'pipe'
  })
  packed = join(folder, readdirSync(folder)[0])
  return packed
}
