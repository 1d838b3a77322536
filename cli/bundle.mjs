/**
 * The compiled files as one file for the command and one for each of its workers. `compose` runs for some hundred
 * milliseconds, and half of that would go into finding and reading 200 small files: `compose build --help` takes 0.10 s
 * longer than a bare `node` this way, 0.25 s the other.
 *
 * Addons stay packages of their own, and so does what few commands need and loads slowly.
 */
import { readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const [compiled = 'dist'] = process.argv.slice(2)
const root = join(dirname(dirname(fileURLToPath(import.meta.url))), compiled)
const outdir = join(root, 'bundle')

await rm(outdir, { recursive: true, force: true })
const files = await readdir(root, { recursive: true })
const workers = files.filter(file => /^(store|compose|cli)\/.*-worker\.js$/.test(file))
await build({
  entryPoints: Object.fromEntries([
    ['compose', join(root, 'cli/main.js')],
    ...workers.map(file => [basename(file, '.js'), join(root, file)])
  ]),
  outdir,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: ['zstd-napi', 'lzma-native', 'level', 'fs-xattr', 'ajv'],
  // Packages in CommonJS ask for Node's own modules by `require`, which a module does not have.
  banner: {
    js: "import { createRequire as requireOf } from 'node:module'\nconst require = requireOf(import.meta.url)"
  },
  logLevel: 'warning'
})
