/**
 * What `npm test` and `npm run demo` need on a fresh clone: packages as locked, the addon, compiled TypeScript.
 * Each is skipped when it is newer than what it is made from. Plain JavaScript: nothing is compiled yet.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Node comes with its headers nearly everywhere; node-gyp would fetch them from the network all the same. */
function withNodeHeaders(environment) {
  const prefix = dirname(dirname(process.execPath))
  if (!existsSync(join(prefix, 'include/node/node.h'))) return environment
  return { npm_config_nodedir: prefix, ...environment }
}

function run(command, ...args) {
  console.error(`+ ${command} ${args.join(' ')}`)
  const env = withNodeHeaders(process.env)
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: ['ignore', 2, 2] })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

const changedAt = path => (existsSync(join(root, path)) ? statSync(join(root, path)).mtimeMs : 0)

function newest(folder, pattern) {
  let latest = 0
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory() && entry.name !== 'build') latest = Math.max(latest, newest(path, pattern))
    else if (pattern.test(entry.name)) latest = Math.max(latest, changedAt(path))
  }
  return latest
}

const ADDON = 'native/build/Release/strata.node'
const COMPILED = 'dist/bundle/compose.cjs'

if (changedAt('node_modules/.package-lock.json') < changedAt('package-lock.json'))
  run('npm', 'ci', '--include=dev')
if (changedAt(ADDON) < newest('native', /\.(c|h|gyp)$/)) run('npm', 'run', '--silent', 'build:native')
const sources = Math.max(
  ...['native', 'store', 'compose', 'cli', 'test'].map(folder => newest(folder, /\.ts$/))
)
if (
  changedAt(COMPILED) <
  Math.max(sources, changedAt('tsconfig.json'), changedAt('cli/bundle.mjs'), changedAt('cli/launch.cjs'))
)
  run('npm', 'run', '--silent', 'build')
