/**
 * The compiled files as one file for the command and one for each kind of worker, and beside them what V8 compiled of
 * the command. `compose` runs for some hundred milliseconds; most of that would go into finding, reading and compiling
 * 400 small files. V8's code is worth a third of `compose list` (62 instead of 104 ms on a processor) and a quarter of
 * `compose build` of three layers (216 instead of 294 ms): medians of 21 in turns, 2 cores, Node 20.20.
 *
 * Verbs that choose modules have code of their own (launch.cjs): with all of it, `compose list` takes 8% longer. Those that
 * start programs begin with a part of the bundle (bundle-parts.mjs). `compose build` has V8 optimize later (launch.cjs), for
 * which V8 wants code that was compiled so.
 *
 * Measured in the same way and not worth their lines, at 0 to 4% each and 3% together: plain names in place of private
 * ones, flags that keep V8 from inlining.
 *
 * The bundle needs no packages beside it: what was compiled from C lies in `dist/addons` (addons.mjs).
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { gatherAddons, gatherSources } from './addons.mjs'
import { bundleParts } from './bundle-parts.mjs'
import { thirdPartyTexts } from './third-party.mjs'

const [compiled = 'dist'] = process.argv.slice(2)
const here = dirname(fileURLToPath(import.meta.url))
const root = join(dirname(here), compiled)
const outdir = join(root, 'bundle')
const launcher = join(outdir, 'compose.cjs')

const COMMON = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  external: ['level', 'ajv', 're2js', 'undici'],
  minifyWhitespace: true,
  metafile: true, // says which packages are in it
  lineLimit: 160, // Node shows the line of an error that nobody expected
  logLevel: 'warning'
}

/** Where a bundle finds an addon (addons.mjs), as an expression. */
const addonPath = name => `\`../addons/\${process.platform}-\${process.arch}/${name}.node\``

/**
 * Packages look for their addons beside themselves. In the bundle, the modules by which they do so are others, which look
 * where ours is.
 */
const PACKAGED_ADDONS = {
  name: 'addons of packages lie beside ours',
  setup({ onResolve, onLoad }) {
    onLoad({ filter: /\/node_modules\/(zstd-napi|classic-level)\/binding\.js$/ }, ({ path }) => ({
      contents: `const path = ${addonPath(basename(dirname(path)))}; module.exports = require(path)`
    }))
    onResolve({ filter: /^node-gyp-build$/ }, ({ importer }) => ({
      path: basename(dirname(importer)),
      namespace: 'node-gyp-build'
    }))
    onLoad({ filter: /./, namespace: 'node-gyp-build' }, ({ path }) => ({
      contents: `const path = ${addonPath(path)}; module.exports = () => require(path)`
    }))
    onResolve({ filter: /^node:module$/ }, ({ importer }) =>
      importer.endsWith('/fs-xattr/index.js') ? { path: 'fs-xattr', namespace: 'create-require' } : undefined
    )
    onLoad({ filter: /./, namespace: 'create-require' }, ({ path }) => ({
      contents: `const path = ${addonPath(path)}; exports.createRequire = () => () => require(path)`
    }))
    // Ours lie where a bundle's own `require` finds them, and Node takes a millisecond to load `node:module`.
    onResolve({ filter: /^node:module$/ }, ({ importer }) =>
      importer.endsWith('/native/addon.js') ? { path: 'ours', namespace: 'own-require' } : undefined
    )
    onLoad({ filter: /./, namespace: 'own-require' }, () => ({
      contents: 'exports.createRequire = () => path => require(path)'
    }))
  }
}

/** Packages that few commands use and that load slowly are files of their own. */
const LATE_PACKAGES = {
  ajv: 'ajv/dist/2020.js',
  level: 'level',
  re2js: 're2js',
  undici: 'undici'
}

/**
 * Of undici, what `store/registry/transport.ts` uses: all of it takes 47 ms of a processor to load, this about 31 ms. Of Node's
 * HTTP/2, which loads slowly and is never spoken, undici asks for a table of numbers alone.
 */
const USED_OF_UNDICI = {
  name: 'undici without what is not used',
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /\/node_modules\/undici\/index\.js$/ }, ({ path }) => ({
      resolveDir: dirname(path),
      contents: `const Dispatcher = require('./lib/dispatcher/dispatcher.js')
Dispatcher.prototype.request = require('./lib/api/api-request.js')
exports.Agent = require('./lib/dispatcher/agent.js')
exports.ProxyAgent = require('./lib/dispatcher/proxy-agent.js')`
    }))
    onResolve({ filter: /^node:http2$/ }, () => ({ path: 'http2', namespace: 'no-http2' }))
    onLoad({ filter: /./, namespace: 'no-http2' }, () => ({ contents: 'exports.constants = {}' }))
  }
}

/** Its streams and compressors load slowly, and most commands need none of them. */
const LATE_PARTS_OF_ZSTD = {
  name: 'parts of zstd-napi when they are used',
  setup({ onLoad }) {
    onLoad({ filter: /\/node_modules\/zstd-napi\/dist\/index\.js$/ }, () => ({
      contents: Object.entries({ compress: 'simple', decompress: 'simple', DecompressStream: 'decompress' })
        .map(
          ([name, file]) =>
            `Object.defineProperty(exports, '${name}', { get: () => require('./${file}').${name} })`
        )
        .join('\n')
    }))
  }
}

const LATE_FILES = {
  name: 'some packages are files of their own',
  setup({ onResolve }) {
    for (const [name, path] of Object.entries(LATE_PACKAGES))
      onResolve({ filter: new RegExp(`^${path}$`) }, ({ kind }) =>
        kind === 'entry-point' ? undefined : { path: `./${name}.cjs`, external: true }
      )
  }
}

const IMPORT_OF_INDEX = /^import \{([^}]*)\} from '(\.[^']*\/index\.js)';/gm
const EXPORT_OF_INDEX = /^export \{([^}]*)\} from '(\.[^']*)';/gm

const namesIn = list => list.split(',').flatMap(name => name.trim() || [])

/** `compareSettings` → `…/changed-settings.js`, for all names that an index.js passes on; none for one with code of its own. */
async function namesOfIndex(path) {
  const text = await readFile(path, 'utf8').catch(() => '')
  return new Map(
    [...text.matchAll(EXPORT_OF_INDEX)].flatMap(([, list, from]) =>
      namesIn(list).map(name => [name, join(dirname(path), from)])
    )
  )
}

/**
 * A folder is imported by its index.js, and a command needs few of the files that this passes on. The bundle imports
 * the files themselves, so that no others run. With them
 * `compose list` would take a tenth longer (80 instead of 72 ms, medians of 25 in turns).
 */
const PAST_INDEXES = {
  name: 'imports go past index.js to the files that have the names',
  setup({ onLoad }) {
    onLoad({ filter: /\/(store|compose|cli)\/.*\.js$/ }, async ({ path }) => {
      if (path.includes('/node_modules/')) return undefined
      const text = await readFile(path, 'utf8')
      const known = new Map()
      for (const [, , from] of text.matchAll(IMPORT_OF_INDEX))
        known.set(from, await namesOfIndex(join(dirname(path), from)))
      const contents = text.replace(IMPORT_OF_INDEX, (statement, list, from) => {
        const names = namesIn(list)
        const files = names.map(name => known.get(from).get(name.split(' ')[0]))
        if (files.includes(undefined)) return statement
        return names.map((name, i) => `import { ${name} } from '${files[i]}';`).join(' ')
      })
      return { contents }
    })
  }
}

/** Verbs that start programs. */
const STARTERS = ['run', 'shell']

/** Writes a script as a function of (require, __filename), for the launcher to call. @returns its name */
async function writeScript(text) {
  const head =
    "const module = { exports: {} }, importMetaUrl = require('node:url').pathToFileURL(__filename).href"
  const script = `(function (require, __filename) {${head}\n${text}\nreturn module.exports\n})`
  // Read without decoding (launch.cjs). esbuild escapes whatever else there is in code.
  if (!/^[\0-\x7f]*$/.test(script)) throw new Error('the bundle is not ASCII')
  const hash = createHash('sha256').update(script).digest('hex').slice(0, 16)
  const name = `compose-${hash}.cjs`
  await writeFile(join(outdir, name), script)
  return name
}

const LATE = 'child_process|crypto|fs\\/promises|net|os|stream|tty|worker_threads|zlib'

/**
 * Modules of Node that load slowly, and that most runs need nothing of, are loaded when something of them is used. Where also the way
 * to the start uses none of `fs/promises`, `compose run` takes 64 ms of a processor and not 74, `compose list` 54 and not 58.
 * esbuild may break a line behind `=`.
 */
function withLateModules(text) {
  const loading = `require\\(\\s*"(node:(?:${LATE}))"\\s*\\)`
  const late = text.replace(new RegExp(`=\\s*${loading}`, 'g'), '=loadLater("$1")')
  const missed = new RegExp(`.{0,40}${loading}`).exec(late)
  if (missed !== null) throw new Error(`the bundle loads a module at once: ${missed[0]}`)
  return `const loadLater = name => {
let loaded
return new Proxy({}, { get: (_, key) => (loaded ??= require(name))[key] })
}
${late}`
}

/** Has V8 run a function longer before it optimizes it (launch.cjs). V8 of Node 22 and later has no such flag. */
const PATIENCE = '--interrupt-budget=1000000'

const takes = flag => spawnSync(process.execPath, [flag, '-e', '']).status === 0

/** Writes the command, as a whole and in parts, and the launcher that loads them. */
async function bundleCommand() {
  const options = {
    ...COMMON,
    format: 'cjs',
    define: { 'import.meta.url': 'importMetaUrl' },
    supported: { 'dynamic-import': false }, // it becomes `require`: a script with V8's code cannot import
    plugins: [LATE_FILES, LATE_PARTS_OF_ZSTD, PACKAGED_ADDONS, PAST_INDEXES],
    write: false
  }
  const { outputFiles, metafile } = await build({ ...options, entryPoints: [join(root, 'cli/main.js')] })
  const parts = await bundleParts(options, root, metafile.inputs, STARTERS)
  const texts = [outputFiles[0].text.replace(/^#!.*/, ''), ...parts].map(withLateModules)
  const names = await Promise.all(texts.map(writeScript))
  const start = await readFile(join(here, 'launch.cjs'), 'utf8')
  const filled = start
    .replace('BUNDLES', JSON.stringify(names))
    .replace('STARTERS', JSON.stringify(STARTERS))
    .replace('PATIENT_V8', takes(PATIENCE) ? process.versions.v8 : 'none')
    .replace('PATIENCE', PATIENCE)
  await writeFile(launcher, filled, { mode: 0o755 })
  return metafile
}

async function bundlePackages() {
  const { metafile } = await build({
    ...COMMON,
    entryPoints: LATE_PACKAGES,
    outdir,
    outExtension: { '.js': '.cjs' },
    format: 'cjs',
    define: { 'import.meta.url': 'importMetaUrl' },
    banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href" },
    plugins: [PACKAGED_ADDONS, USED_OF_UNDICI]
  })
  return metafile
}

async function bundleWorkers() {
  const files = await readdir(root, { recursive: true })
  const workers = files.filter(file => /^(store|compose|cli)\/.*-worker\.js$/.test(file))
  const { metafile } = await build({
    ...COMMON,
    entryPoints: Object.fromEntries(workers.map(file => [basename(file, '.js'), join(root, file)])),
    outdir,
    format: 'esm',
    plugins: [LATE_FILES, LATE_PARTS_OF_ZSTD, PACKAGED_ADDONS, PAST_INDEXES],
    // Packages in CommonJS ask for Node's own modules by `require`, which a module does not have.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'\nconst require = requireOf(import.meta.url)"
    }
  })
  return metafile
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

/**
 * A build that a policy lets pass. With V8's code of it, the signatures of 20 modules cost a build 6 ms of a processor and
 * not 19 (medians of 21 in turns, 2 cores, Node 20.20). Where there is no ssh-keygen, V8 compiles it in each run.
 */
async function underPolicy(work, compose) {
  const key = join(work, 'key')
  const made = spawnSync('ssh-keygen', ['-q', '-N', '', '-t', 'ed25519', '-f', key])
  if (made.status !== 0) return
  compose('sign', 'base/small', '--key', key)
  const folder = join(work, 'strata')
  await mkdir(folder, { mode: 0o700, recursive: true })
  const rule = 'version: 1\nsigners: signers\nrules:\n  - modules: "*"\n    signed-by: builder\n'
  await writeFile(join(folder, 'policy.yaml'), rule, { mode: 0o600 })
  await writeFile(join(folder, 'signers'), `builder ${await readFile(`${key}.pub`)}`, { mode: 0o600 })
  compose('build', 'image.sqfs', 'base/small')
  await rm(folder, { recursive: true })
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
    for (const verb of ['list', 'avail', 'overview', 'lock']) compose(verb)
    compose('save', 'small')
    compose('restore', 'small')
    compose('build', 'image.sqfs')
    compose('build', 'image.sqfs', 'base/small', 'lib/small', '--on-conflict', 'upper')
    for (const layout of ['packed.oci', 'copied.oci']) compose('build', layout, '--format', 'oci')
    await underPolicy(work, compose)
    compose('inspect', 'image.sqfs')
    // They end with 127, as nothing is in the images; what counts is that it is tried.
    for (const target of ['base/small', 'base/small', 'image.sqfs'])
      spawnSync(process.execPath, [launcher, 'run', target, '--', 'true'], { env, cwd: work })
    return compose('manual')
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

await rm(outdir, { recursive: true, force: true })
await mkdir(outdir)
gatherAddons()
gatherSources()
const made = await Promise.all([bundleCommand(), bundlePackages(), bundleWorkers()])
const bundled = made.flatMap(({ inputs }) => Object.keys(inputs))
await writeFile(join(root, 'THIRD-PARTY.txt'), thirdPartyTexts(dirname(here), bundled))
const page = await compileCode()
// The manual page of an installed package (package.json, "man").
await mkdir(join(root, 'man'), { recursive: true })
await writeFile(join(root, 'man', 'compose.1'), page)
