/**
 * Packages of others that decode input from strangers or encode the bytes of images, and their versions. `compose
 * --version --verbose` prints them and SECURITY.md lists them. A test compares both with the installed packages.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface ForeignCode {
  package: string
  version: string
  /** The library inside the package, where that has a version of its own. */
  library?: string
  /** The input that it decodes. */
  reads: string
  /** Its file in dist/addons, if it is compiled from C or C++. */
  file?: string
}

const PLATFORM = `${process.platform}-${process.arch}`

export const FOREIGN_CODE: readonly ForeignCode[] = [
  {
    package: 'zstd-napi',
    version: '0.0.13',
    library: 'zstd 1.5.7',
    reads: 'zstd: tarballs, layers, blocks of images, objects; packs images',
    file: `${PLATFORM}/zstd-napi.node`
  },
  {
    package: 'node-liblzma',
    version: '5.1.3',
    library: 'liblzma 5.8.4',
    reads: 'xz and lzma: tarballs, packages, blocks of images',
    file: 'liblzma.wasm'
  },
  { package: 'pako', version: '3.0.3', reads: 'nothing; packs images of gzip' },
  { package: 'yaml', version: '2.9.1', reads: 'module.yaml; stacks that are not of the plain form' },
  { package: 'ajv', version: '8.20.0', reads: 'what module.yaml says, by our own schema' },
  { package: 'multiformats', version: '14.0.5', reads: 'ids in manifests, refs, locks' },
  { package: 're2js', version: '2.10.0', reads: 'expressions behind -r, and names and texts of modules' },
  {
    package: 'undici',
    version: '7.30.2',
    reads: 'HTTP: answers of registries, their realms and proxies'
  },
  { package: 'smol-toml', version: '1.9.1', reads: 'registries.conf' },
  {
    package: 'classic-level',
    version: '3.0.0',
    library: 'leveldb 1.20',
    reads: 'the derived index of a store',
    file: `${PLATFORM}/classic-level.node`
  }
]

/**
 * One line for each package, `zstd-napi 0.0.13 (zstd 1.5.7, addon sha256:…)`, and one for Node, whose zlib and V8
 * read gzip and JSON.
 */
export function describeForeignCode(): string {
  const { node, v8, zlib } = process.versions
  const lines = FOREIGN_CODE.map(({ package: name, version, library, file }) => {
    const more = [library, file && `${kindOf(file)} ${hashOf(file)}`].filter(part => part !== undefined)
    return `${name} ${version}${more.length > 0 ? ` (${more.join(', ')})` : ''}`
  })
  return [`node ${node} (v8 ${v8}, zlib ${zlib})`, ...lines].join('\n')
}

const kindOf = (file: string): string => (file.endsWith('.wasm') ? 'WebAssembly' : 'addon')

function hashOf(file: string): string {
  try {
    const bytes = readFileSync(fileURLToPath(new URL(`../addons/${file}`, import.meta.url)))
    return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  } catch {
    return 'missing'
  }
}
