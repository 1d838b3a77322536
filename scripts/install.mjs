/**
 * npm's `install` script. An installed package brings addons for the machine that it was packed on: where they load, nothing
 * is to be done. Else they are compiled from the sources in the package, with the headers that Node came with; one that is
 * there stays until another takes its place. A clone is made ready as a whole.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  ADDONS,
  addonFile,
  LAUNCHER,
  launcherFile,
  PLATFORM,
  placeAddon,
  placeLauncher,
  SOURCES
} from './addons.mjs'
import { headersPrefix } from './node-headers.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** @returns why not */
function whyNotLoaded(name) {
  try {
    createRequire(import.meta.url)(addonFile(name))
    return name === 'strata' ? whyNotStarted() : undefined
  } catch (error) {
    return error.message.split('\n')[0]
  }
}

/** The launcher is compiled with the addon. */
function whyNotStarted() {
  const { status, error } = spawnSync(launcherFile(), ['--help'], { stdio: 'ignore' })
  return status === 0 ? undefined : `${LAUNCHER}: ${error?.message ?? `ended with ${status}`}`
}

function compile(name) {
  const folder = join(root, SOURCES[name])
  const prefix = headersPrefix()
  const words = ['configure', 'build', '-C', folder, '--silent', ...(prefix ? [`--nodedir=${prefix}`] : [])]
  // npm says where its own node-gyp is.
  const own = process.env.npm_config_node_gyp
  const [program, ...first] = own ? [process.execPath, own] : ['node-gyp']
  const env = { ...process.env, NODE_PATH: join(root, 'dist/sources') } // headers that zstd-napi asks for
  const { status, error } = spawnSync(program, [...first, ...words], { env, stdio: ['ignore', 2, 2] })
  if (error || status !== 0) return false
  const made = { 'zstd-napi': 'binding', 'fs-xattr': 'xattr' }[name] ?? name
  placeAddon(join(folder, 'build/Release', `${made}.node`), name)
  if (name === 'strata') placeLauncher(join(folder, 'build/Release', LAUNCHER))
  rmSync(join(folder, 'build'), { recursive: true })
  return true
}

const NEEDED =
  'To compile it: a C and C++ compiler, make, Python 3, and Node with its headers (include/node).'
/** Those that the package brings for some machines only, and that the command can do without. */
const MISSED = {
  'classic-level': 'Without it, looking for paths in many modules is slower.'
}

function installPackage() {
  for (const name of ADDONS) {
    const why = whyNotLoaded(name)
    if (why === undefined) continue
    if (name in SOURCES && compile(name) && whyNotLoaded(name) === undefined) continue
    console.error(`strata: the addon ${name} cannot be used on ${PLATFORM}: ${why}`)
    console.error(name in MISSED ? MISSED[name] : NEEDED)
    if (name in SOURCES) process.exitCode = 1
  }
}

if (existsSync(join(root, 'tsconfig.json'))) await import('./prepare.mjs')
else installPackage()
