/**
 * What `npm test`, `npm run demo` and npm itself (after `npm install`, before `npm pack`) need on a fresh clone: packages as
 * locked, the addon, the command. Each is left alone while it is that of its sources. Plain JavaScript: nothing is
 * compiled yet.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BUILT_STAMP, builtFingerprint } from './build.mjs'
import { missingTools } from './build-tools.mjs'
import { fingerprint, isMadeFrom, sayMadeFrom } from './made-from.mjs'
import { headersPrefix } from './node-headers.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const isThere = path => existsSync(join(root, path))

/** npm notes in node_modules what it installed. Packages for other systems are optional ones that are not there. */
function hasPackages() {
  const packagesOf = path => JSON.parse(readFileSync(join(root, path), 'utf8')).packages
  if (!isThere('node_modules/.package-lock.json')) return false
  const installed = packagesOf('node_modules/.package-lock.json')
  return Object.entries(packagesOf('package-lock.json')).every(
    ([path, { version, optional }]) =>
      path === '' || (path in installed ? installed[path].version === version : optional)
  )
}

/** What an npm inside npm may know: of `npm install -g .` it would install globally what this folder needs. */
const INHERITED =
  /^npm_config_(cache|registry|offline|prefer_offline|cafile|proxy|https_proxy|noproxy|userconfig|globalconfig|loglevel|nodedir)$/

const npmEnvironment = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^npm_config_/i.test(name) || INHERITED.test(name.toLowerCase())
    )
  )

/** npm warns of settings that it does not know, so node-gyp is told of headers in a way of its own, where it understands that. */
function nodeHeaders() {
  const prefix = headersPrefix()
  if (prefix === undefined) return {}
  const [major, minor] = spawnSync('npm', ['--version'], { encoding: 'utf8' }).stdout.split('.').map(Number)
  const understands = major > 11 || (major === 11 && minor >= 6)
  return { [understands ? 'npm_package_config_node_gyp_nodedir' : 'npm_config_nodedir']: prefix }
}

function run(...args) {
  console.error(`+ npm ${args.join(' ')}`)
  const { status, error } = spawnSync('npm', args, {
    cwd: root,
    // npm runs this file again when it has installed packages, which then has nothing to do. node-gyp compiles on as many
    // cores as JOBS says.
    env: { JOBS: 'max', ...nodeHeaders(), ...npmEnvironment(), STRATA_PREPARING: '1' },
    stdio: ['ignore', 2, 2]
  })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

const ADDON_STAMP = join(root, 'native/build/.made-from')
const addonFingerprint = () =>
  `${process.platform} ${process.arch} ${fingerprint(root, ['native'], /^native\/((launch|capture)\/)?[^/]*\.(c|h|gyp)$/)}`

function prepare() {
  const addon = addonFingerprint()
  const hasAddon =
    ['strata.node', 'strata-launch'].every(file => isThere(`native/build/Release/${file}`)) &&
    isMadeFrom(ADDON_STAMP, addon)
  const lacks = hasAddon && hasPackages() ? undefined : missingTools()
  if (lacks !== undefined) {
    console.error(lacks)
    process.exit(1)
  }
  if (!hasPackages()) run('ci', '--include=dev')
  if (!hasAddon) {
    run('run', '--silent', 'build:native')
    sayMadeFrom(ADDON_STAMP, addon)
  }
  // dist/ holds copies of the addon and of the programs in C.
  if (!hasAddon || !isMadeFrom(BUILT_STAMP, builtFingerprint())) run('run', '--silent', 'build')
}

if (process.env.STRATA_PREPARING === undefined) prepare()
