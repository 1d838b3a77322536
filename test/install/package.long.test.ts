import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { atAllSize } from '../helpers/needs.ts'
import { packageTarball } from '../helpers/package-tarball.ts'
import { bash } from '../helpers/real-tree.ts'
import { asUser } from '../helpers/runtimes.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'

/** The package of `npm pack`, installed by an ordinary user. Packing and installing take npm some seconds each. */
const install = suite('installing the package')
/** Tests that take too long for a check. */
const testLongest = atAllSize(install)

const root = fileURLToPath(new URL('../../../', import.meta.url))
const NPM = dirname(process.execPath)

/** A folder that belongs to the installing user. */
function userFolder(): string {
  const folder = scratch()
  if (process.getuid?.() === 0) bash('chown 1000:1000 "$1"', folder)
  return folder
}

/** Links to these programs alone: no compiler, no Python. */
function pathWith(folder: string, programs: string[]): string {
  const path = join(folder, 'bin')
  bash(
    'mkdir -p "$1"; cd "$1"; shift; for name; do ln -s "$(readlink -f "$(command -v "$name")")" "$name"; done',
    path,
    ...programs
  )
  return path
}

/** No network: a registry that nobody serves. */
const OFFLINE = { npm_config_registry: 'http://127.0.0.1:9/', npm_config_offline: 'true' }

interface Ran {
  status: number | null
  out: string
}

function runAs(folder: string, path: string, words: string[], env: NodeJS.ProcessEnv = {}): Ran {
  const [program, ...rest] = asUser(words)
  const { status, stdout, stderr } = spawnSync(program, rest, {
    cwd: folder,
    env: { HOME: folder, PATH: path, ...OFFLINE, ...env },
    encoding: 'utf8'
  })
  return { status, out: `${stdout}${stderr}` }
}

/** @returns the folder that `--prefix` named */
function installed(folder: string, path: string): string {
  const prefix = join(folder, 'prefix')
  const { status, out } = runAs(folder, path, ['npm', 'install', '-g', packageTarball(), '--prefix', prefix])
  assert.is(status, 0, out)
  assert.not.match(out, /Unknown env config/)
  return prefix
}

/** The main job, by a command that somebody installed. */
function composes(folder: string, path: string, compose: string): void {
  mkdirSync(join(folder, 'tree'), { recursive: true })
  writeFileSync(join(folder, 'tree/hello'), 'hello')
  const run = (...words: string[]) => {
    const { status, out } = runAs(folder, path, [compose, '--store', join(folder, 'store'), ...words])
    assert.is(status, 0, `${words.join(' ')}: ${out}`)
    return out
  }
  run('init', '--level', '1')
  run('import', 'base/tree-1', join(folder, 'tree'))
  run('build', join(folder, 'image.sqfs'), 'base/tree', '--bare')
  assert.match(run('ls', join(folder, 'image.sqfs')), /hello/)
  assert.match(run('avail'), /tree-1/)
  // A decoder that is a file of its own.
  bash('cd "$1"; tar -cJf tree.tar.xz tree', folder)
  run('import', 'base/packed-1', join(folder, 'tree.tar.xz'))
}

testLongest('holds no object files and none of the folders that only building needs', () => {
  const names = execFileSync('tar', ['-tzf', packageTarball()], { encoding: 'utf8' }).split('\n')
  assert.equal(
    names.filter(name => /\.(o|a|d|mk)$|\/build\/|node_modules|\/test\//.test(name)),
    []
  )
  assert.ok(names.includes('package/dist/man/compose.1'))
  assert.equal(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).man, ['dist/man/compose.1'])
})

testLongest('brings the licence text of every package whose code it contains', () => {
  const folder = scratch()
  execFileSync('tar', ['-xzf', packageTarball(), '-C', folder, '--strip-components=1'])
  const text = readFileSync(join(folder, 'dist/THIRD-PARTY.txt'), 'utf8')
  const bundle = join(folder, 'dist/bundle')
  const code = readdirSync(bundle).map(name => readFileSync(join(bundle, name), 'latin1'))
  // esbuild names the file of each module in front of it, and cuts long lines in the middle of strings.
  const bundled = code
    .join('\n')
    .replaceAll('\\\n', '')
    .matchAll(/"(?:\.\.\/)*node_modules\/((?:@[^/"]+\/)?[^/"]+)\//g)
  const names = new Set([...bundled].map(([, name]) => name))
  for (const name of ['commander', 'multiformats', 'pako', 'yaml']) assert.ok(names.has(name), name)
  for (const name of names) assert.ok(text.includes(`\n${name} `), name)
  for (const path of ['LICENSE', 'deps/zstd/LICENSE'])
    assert.ok(text.includes(readFileSync(join(folder, 'dist/sources/zstd-napi', path), 'utf8').trim()), path)
  assert.match(text, /\nclassic-level .*LevelDB Authors/s)
  assert.match(text, /\nnode-liblzma .*GNU LESSER GENERAL PUBLIC LICENSE/s)
})

install('works without network and without a compiler, and so does a copy of the folder', () => {
  const folder = userFolder()
  const path = pathWith(folder, ['node', 'npm', 'sh', 'env'])
  const prefix = installed(folder, path)
  assert.ok(existsSync(join(prefix, 'share/man/man1/compose.1')))
  const moved = join(folder, 'elsewhere')
  cpSync(prefix, moved, { recursive: true, verbatimSymlinks: true })
  rmSync(prefix, { recursive: true })
  composes(folder, path, join(moved, 'bin/compose'))
})

testLongest(
  'compiles what is missing for the machine, with the headers of Node; what is there stays meanwhile',
  () => {
    const folder = userFolder()
    const path = pathWith(folder, ['node', 'npm', 'sh', 'env'])
    const strata = join(installed(folder, path), 'lib/node_modules/strata')
    const addons = join(strata, 'dist/addons', `${process.platform}-${process.arch}`)
    const addon = join(addons, 'strata.node')
    const again = (where: string) =>
      runAs(strata, where, ['node', 'scripts/install.mjs'], {
        npm_config_node_gyp: join(NPM, '../lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js')
      })
    const before = statSync(addon).ino
    assert.is(again(path).status, 0)
    assert.is(statSync(addon).ino, before, 'nothing is compiled that is there')
    renameSync(addon, `${addon}.away`)
    const failed = again(path)
    assert.is(failed.status, 1)
    assert.match(failed.out, /strata: the addon strata cannot be used .*\n.*C and C\+\+ compiler/)
    assert.is(existsSync(join(addons, 'zstd-napi.node')), true)
    const done = again('/usr/local/bin:/usr/bin:/bin')
    assert.is(done.status, 0, done.out)
    composes(folder, path, join(strata, 'dist/bundle/compose.cjs'))
  }
)

install.run()
