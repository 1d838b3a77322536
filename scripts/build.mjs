/**
 * `npm run build`: TypeScript to JavaScript, and that to the command (bundle.mjs). Remembers what it was made from, for
 * prepare.mjs.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fingerprint, sayMadeFrom } from './made-from.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const FOLDERS = ['native', 'store', 'compose', 'cli', 'test']
const SOURCES = [...FOLDERS, 'scripts', 'package.json', 'package-lock.json', 'tsconfig.json']

export const BUILT_STAMP = join(root, 'dist/.made-from')
export const builtFingerprint = () => fingerprint(root, SOURCES, /\.(ts|json|mjs|cjs|c|h|gyp)$/)

/** Compiled files whose sources were deleted or moved: tests among them would run for ever. */
function removeStale(folder) {
  const compiled = join(root, 'dist', folder)
  for (const entry of existsSync(compiled) ? readdirSync(compiled, { withFileTypes: true }) : []) {
    const path = `${folder}/${entry.name}`
    const source = join(root, path.replace(/\.js$/, '.ts'))
    if (entry.isDirectory() && existsSync(source)) removeStale(path)
    else if (!existsSync(source)) rmSync(join(root, 'dist', path), { recursive: true })
  }
}

function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const print = builtFingerprint()
  for (const folder of FOLDERS) removeStale(folder)
  run(join(root, 'node_modules/.bin/tsc'), '-p', '.')
  run(process.execPath, join(root, 'scripts/bundle.mjs'))
  sayMadeFrom(BUILT_STAMP, print)
}
