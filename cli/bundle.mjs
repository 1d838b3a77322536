/**
 * The compiled files as one file for the command and one for each kind of worker, and beside them what V8 compiled of
 * the command. `compose` runs for some hundred milliseconds; most of that would go into finding, reading and compiling
 * 300 small files. Beyond a bare `node`, `compose build --help` takes 0.04 s this way, 0.08 s without V8's code, and 0.25 s
 * without the bundle.
 *
 * Addons stay packages of their own, and so does what few commands need and loads slowly.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const [compiled = 'dist'] = process.argv.slice(2)
const here = dirname(fileURLToPath(import.meta.url))
const root = join(dirname(here), compiled)
const outdir = join(root, 'bundle')
const launcher = join(outdir, 'compose.cjs')

// As a part of a path: esbuild's filters are those of Go.
const OURS = /[/](store|compose|cli|native)[/][^.]*[.]js$/

const COMMON = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  external: ['lzma-native', 'level', 'ajv'],
  minifyWhitespace: true,
  lineLimit: 160, // Node shows the line of an error that nobody expected
  logLevel: 'warning'
}

/** @throws Error when the package no longer says what was to be replaced */
const changed = (name, file, from, to) => ({
  name,
  setup({ onLoad }) {
    onLoad({ filter: file }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      if (!text.includes(from)) throw new Error(`${path} has no ${from}`)
      return { contents: text.replaceAll(from, to), loader: 'js' }
    })
  }
})

const PACKAGES = [
  // It looks for its addon beside itself, wherever it is bundled; few commands read attributes.
  changed(
    'the addon of fs-xattr stays where it is',
    /\/fs-xattr\/index\.js$/,
    "createRequire(import.meta.url)('./build/Release/xattr')",
    `((addon) => new Proxy({}, {
      get: (_, name) => (addon ??= createRequire(createRequire(__filename).resolve('fs-xattr'))('./build/Release/xattr'))[name]
    }))()`
  ),
  // For commands in files of their own, which we have none of; loading it takes Node 5 ms.
  changed(
    'commander starts no processes',
    /\/commander\/lib\/command\.js$/,
    "require('node:child_process')",
    '{}'
  ),
  {
    name: 'the addon of zstd-napi stays where it is',
    setup({ onResolve }) {
      onResolve({ filter: /^(\.\.|zstd-napi)\/binding(\.js)?$/ }, () => ({
        path: 'zstd-napi/binding.js',
        external: true
      }))
    }
  }
]

/**
 * `#name` as `$name`: a build is over before V8 has compiled most of it well, and until then a private name costs twice
 * what a plain one does (a tenth of the time of a build). None of our classes with private names extends another, so
 * none can meet a name that is not its own. Tests of the command run the bundle, all others the files as they are.
 */
const PLAIN_NAMES = {
  name: 'plain names for private ones',
  setup({ onLoad }) {
    onLoad({ filter: OURS }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      const used = [...new Set(Array.from(text.matchAll(/\.#(\w+)/g), ([, name]) => name))]
      if (used.length === 0) return undefined
      if (/\.\$\w/.test(text)) throw new Error(`${path} has names with $, as private ones get in the bundle`)
      const use = new RegExp(
        `(?<=\\.|^[ \t]+(?:(?:static|async|get|set) |\\*)*)#(?=(?:${used.join('|')})\\b)`,
        'gm'
      )
      return { contents: text.replace(use, '$$'), loader: 'js' }
    })
  }
}

const LATE = ['assert', 'node:worker_threads', 'node:zlib', 'zstd-napi', 'zstd-napi/binding.js']

/**
 * Modules of Node's own that most commands import and few use, and an addon that a build needs in its second half only, loaded
 * when something of theirs is asked for: a build begins to copy 15 ms earlier.
 */
const LATE_MODULES = {
  name: 'some modules are loaded when they are used',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: new RegExp(`^(${LATE.join('|')})$`) }, ({ path, namespace }) =>
      namespace !== 'late'
        ? { path, namespace: 'late' }
        : isBuiltin(path)
          ? { path, external: true }
          : undefined
    )
    onLoad({ filter: /./, namespace: 'late' }, async ({ path }) => {
      const { default: found } = await import(path)
      const names = Object.keys(found).filter(name => /^[a-z]\w*$/i.test(name))
      const load = `require('${path}')`
      const base = typeof found === 'function' ? `(...given) => ${load}(...given)` : '{}'
      const getters = names.map(name => `${name}: { enumerable: true, get: () => ${load}.${name} }`)
      return {
        contents: `module.exports = Object.defineProperties(${base}, {${getters.join(', ')}})`,
        loader: 'js',
        resolveDir: here
      }
    })
  }
}

/** A function of (require, __filename), for the launcher to call. */
async function bundleCommand() {
  const { outputFiles } = await build({
    ...COMMON,
    entryPoints: [join(root, 'cli/main.js')],
    format: 'cjs',
    define: { 'import.meta.url': 'importMetaUrl' },
    supported: { 'dynamic-import': false }, // it becomes `require`: a script with V8's code cannot import
    plugins: [LATE_MODULES, ...PACKAGES, PLAIN_NAMES],
    write: false
  })
  const text = outputFiles[0].text.replace(/^#!.*/, '')
  const head =
    "const module = { exports: {} }, importMetaUrl = require('node:url').pathToFileURL(__filename).href"
  const whole = `(function (require, __filename) {${head}\n${text}\n})`
  // Read without decoding (launch.cjs). esbuild escapes whatever else there is in code.
  if (!/^[\0-\x7f]*$/.test(whole)) throw new Error('the bundle is not ASCII')
  const hash = createHash('sha256').update(whole).digest('hex').slice(0, 16)
  const name = `compose-${hash}.cjs`
  await writeFile(join(outdir, name), whole)
  const start = await readFile(join(here, 'launch.cjs'), 'utf8')
  await writeFile(
    launcher,
    start.replace('BUNDLE)', `'${name}')`).replace('V8_VERSION', `'${process.versions.v8}'`),
    { mode: 0o755 }
  )
}

async function bundleWorkers() {
  const files = await readdir(root, { recursive: true })
  const workers = files.filter(file => /^(store|compose|cli)\/.*-worker\.js$/.test(file))
  await build({
    ...COMMON,
    entryPoints: Object.fromEntries(workers.map(file => [basename(file, '.js'), join(root, file)])),
    outdir,
    format: 'esm',
    plugins: [...PACKAGES, PLAIN_NAMES],
    // Packages in CommonJS ask for Node's own modules by `require`, which a module does not have.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'\nconst require = requireOf(import.meta.url)"
    }
  })
}

/** Two modules that differ where modules do: in contents, links and directories. */
async function writeTrees(work) {
  const large = Buffer.alloc(1 << 20, 'several blocks, and a tail. ')
  for (const [name, text] of [
    ['below', 'hello\n'],
    ['above', 'hello again\n']
  ]) {
    const tree = join(work, name)
    await mkdir(join(tree, 'etc', name), { recursive: true, mode: name === 'below' ? 0o755 : 0o750 })
    await writeFile(join(tree, 'etc', 'motd'), text)
    await writeFile(join(tree, 'etc', 'same'), 'the same\n')
    await writeFile(join(tree, name), large.subarray(0, -name.charCodeAt(0)))
    await link(join(tree, name), join(tree, `${name}.link`))
    await symlink('etc/motd', join(tree, `${name}.symlink`))
  }
}

/** What users run most, once: V8 keeps what was compiled, and adds to it in each run. */
async function compileCode() {
  const work = await mkdtemp(join(tmpdir(), 'strata-build-'))
  const env = {
    ...process.env,
    COMPOSE_STORE: join(work, 'store'),
    COMPOSE_PATH: '',
    STRATA_WRITE_CODE: '1',
    XDG_CONFIG_HOME: work,
    XDG_CACHE_HOME: work
  }
  const compose = (...words) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [launcher, ...words], { env, cwd: work })
    if (status !== 0) throw new Error(`compose ${words.join(' ')}: ${stderr}`)
    return stdout
  }
  try {
    await writeTrees(work)
    compose('init', '--level', '1')
    compose('import', 'base/small-1', 'below')
    compose('import', 'lib/small-1', 'above')
    compose('add', 'base/small')
    for (const verb of ['list', 'avail', 'lock']) compose(verb)
    compose('build', 'image.sqfs')
    compose('build', 'image.sqfs', 'base/small', 'lib/small', '--on-conflict', 'upper')
    for (const layout of ['packed.oci', 'copied.oci']) compose('build', layout, '--format', 'oci')
    compose('inspect', 'image.sqfs')
    return compose('manual')
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

await rm(outdir, { recursive: true, force: true })
await mkdir(outdir)
await Promise.all([bundleCommand(), bundleWorkers()])
const page = await compileCode()
// The manual page of an installed package (package.json, "man").
await mkdir(join(root, 'man'), { recursive: true })
await writeFile(join(root, 'man', 'compose.1'), page)
