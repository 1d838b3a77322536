/**
 * Where the command finds what was compiled from C: `dist/addons/PLATFORM-ARCHITECTURE/NAME.node`, ours and those of packages. All
 * use Node-API, so one file serves every version of Node, and a folder can hold those of several machines. What was compiled
 * to WebAssembly, `dist/addons/NAME.wasm`, serves every machine.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

export const ADDONS = ['strata', 'zstd-napi', 'fs-xattr', 'classic-level']
export const PLATFORM = `${process.platform}-${process.arch}`

export const addonFile = (name, platform = PLATFORM) => join(root, 'dist/addons', platform, `${name}.node`)

export const placeAddon = (from, name, platform = PLATFORM) => place(from, addonFile(name, platform))

/** A program of its own, which lies with the addons (native/launch, spec/launcher.md). */
export const LAUNCHER = 'strata-launch'
export const launcherFile = (platform = PLATFORM) => join(root, 'dist/addons', platform, LAUNCHER)
export const placeLauncher = from => place(from, launcherFile())

/** By renaming: a command that is running keeps the file that it has loaded. */
function place(from, to) {
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, `${to}.new`)
  renameSync(`${to}.new`, to)
}

/** In a clone: what is built of each, and what packages bring for other machines of the same system. */
export function gatherAddons() {
  const package_ = name => join(root, 'node_modules', name)
  const built = {
    strata: join(root, 'native/build/Release/strata.node'),
    'zstd-napi': join(package_('zstd-napi'), 'build/Release/binding.node'),
    'fs-xattr': join(package_('fs-xattr'), 'build/Release/xattr.node')
  }
  for (const [name, file] of Object.entries(built)) if (existsSync(file)) placeAddon(file, name)
  placeLauncher(join(root, 'native/build/Release', LAUNCHER))
  for (const platform of ['linux-x64', 'linux-arm64']) {
    const folder = join(package_('classic-level'), 'prebuilds', platform)
    const file = readdirSync(folder).find(file => /^classic-level(\.armv8)?\.node$/.test(file))
    placeAddon(join(folder, file), 'classic-level', platform)
  }
  place(join(package_('node-liblzma'), 'lib/wasm/liblzma.wasm'), join(root, 'dist/addons/liblzma.wasm'))
}

/** What is compiled where no file for the machine is in the package: each a folder with a binding.gyp. */
export const SOURCES = {
  strata: 'native',
  'zstd-napi': 'dist/sources/zstd-napi',
  'fs-xattr': 'dist/sources/fs-xattr'
}

/** In a clone: sources of packages, for `npm pack`. */
export function gatherSources() {
  rmSync(join(root, 'dist/sources'), { recursive: true, force: true })
  for (const [name, parts] of [
    ['zstd-napi', ['binding.gyp', 'build_flags.gypi', 'deps', 'src', 'LICENSE', 'NOTICE']],
    ['fs-xattr', ['binding.gyp', 'src', 'LICENSE']],
    ['node-addon-api', null]
  ]) {
    const from =
      name === 'node-addon-api'
        ? [join(root, 'node_modules/zstd-napi/node_modules', name), join(root, 'node_modules', name)].find(
            existsSync
          )
        : join(root, 'node_modules', name)
    for (const part of parts ?? [''])
      cpSync(join(from, part), join(root, 'dist/sources', name, part), { recursive: true })
  }
}
