import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { compressorVersion } from '../../compose/stack/image-parameters.ts'
import { suite } from '../helpers/suite.ts'

/** Imports go cli → compose → store → native: from a folder to those behind it, and never back. */
const LAYERS = ['cli', 'compose', 'store', 'native']

/**
 * The folders of each, from the ground up (spec/ARCHITECTURE.md#folders). Rooms on one floor do not know each other. `.`
 * stands for the files that are in no folder.
 */
const FLOORS: Record<string, string[][]> = {
  store: [
    ['values'],
    ['accounts', 'disk', 'tar'],
    ['acl', 'input'],
    ['directory', 'files', 'object', 'registry'],
    ['module'],
    ['contents', 'signatures'],
    ['index', 'policy'],
    ['access'],
    ['export', 'layer-cache', 'lookup', 'usage'],
    ['gc'],
    ['import'],
    ['fsck', 'oci', 'package', 'remote'],
    ['repository']
  ],
  compose: [
    ['cache', 'erofs', 'merge', 'sif', 'squashfs', 'resolve', 'signing'],
    ['verity'],
    ['link', 'find', 'runtime-files'],
    ['audience'],
    ['stack', 'sandbox'],
    ['inspect', 'tar'],
    ['oci'],
    ['outputs'],
    ['sources/host'],
    ['sources'],
    ['run'],
    ['capture', 'mount'],
    ['definition']
  ],
  cli: [['process', 'render', 'manual'], ['context'], ['flags', 'completion'], ['commands'], ['.']]
}

/** `store/tar` → 1: the floor of each folder, by its path. */
const floorOfRoom: Record<string, number> = Object.fromEntries(
  Object.entries(FLOORS).flatMap(([house, floors]) =>
    floors.flatMap((rooms, floor) => rooms.map(room => [join(house, room), floor]))
  )
)

/** The sources lie beside the folder that they were compiled into. */
const root = fileURLToPath(new URL('../../../', import.meta.url))

const contract = suite('contract: imports')

const sourcesBelow = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return path === 'native/build' ? [] : sourcesBelow(path)
    return entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts') ? [path] : []
  })

const IMPORT = /^\s*(?:import|export)\s[^'"]*?from\s+'([^']+)'|\bimport\('([^']+)'\)|^import\s+'([^']+)'/gm

const importsOf = (path: string): string[] =>
  [...readFileSync(join(root, path), 'utf8').matchAll(IMPORT)].map(match => match[1] ?? match[2] ?? match[3])

const layerOf = (path: string): string => path.split('/')[0]

const sources = LAYERS.flatMap(sourcesBelow)

const importsBetween = (paths: string[]): { from: string; to: string }[] =>
  paths.flatMap(from =>
    importsOf(from)
      .filter(specifier => specifier.startsWith('.'))
      .map(specifier => ({ from, to: relative(root, resolve(root, dirname(from), specifier)) }))
  )

contract('nobody imports upwards, and nobody imports a test', () => {
  assert.ok(sources.length > 100)
  const broken = importsBetween(sources)
    .filter(({ from, to }) => LAYERS.indexOf(layerOf(to)) < LAYERS.indexOf(layerOf(from)))
    .map(({ from, to }) => `${from} imports ${to}`)
  assert.equal(broken, [])
})

contract('a folder imports from lower floors of its house alone, and none is left out of the plan', () => {
  const folders = [...new Set(sources.map(path => dirname(path)))].filter(folder => layerOf(folder) in FLOORS)
  assert.equal(folders.filter(folder => !(folder in floorOfRoom)).sort(), [])
  const broken = importsBetween(sources)
    .filter(({ from, to }) => layerOf(from) === layerOf(to) && dirname(from) !== dirname(to))
    .filter(({ from, to }) => floorOfRoom[dirname(to)] >= floorOfRoom[dirname(from)])
    .map(({ from, to }) => `${from} imports ${to}`)
  assert.equal(broken, [])
})

contract('no file leads back to itself', () => {
  const next = new Map<string, string[]>()
  for (const { from, to } of importsBetween(sources)) next.set(from, [...(next.get(from) ?? []), to])
  const isDone = new Set<string>()
  const circles: string[] = []
  const visit = (path: string, way: string[]): void => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' -> '))
    if (way.includes(path) || isDone.has(path)) return
    for (const to of next.get(path) ?? []) visit(to, [...way, path])
    isDone.add(path)
  }
  for (const path of sources) visit(path, [])
  assert.equal(circles, [])
})

/** Folders that open, list or change files of a store. */
const OPENS_FILES = ['contents', 'export', 'fsck', 'gc', 'index', 'layer-cache', 'lookup', 'usage']

/** Names of these rooms that work on values alone, or on what the repository has opened. */
const VALUES = [
  'contents: readObject',
  'contents: closeObjectFiles',
  'contents: openParts',
  'gc: DEFAULT_GRACE_SECONDS',
  'lookup: matchShortName',
  'lookup: ambiguousName',
  'lookup: shortNameOf'
]

contract('compose/ and cli/ reach the files of a store by its repository alone', () => {
  const broken: string[] = []
  for (const path of sources) {
    if (!['compose', 'cli'].includes(layerOf(path))) continue
    const text = readFileSync(join(root, path), 'utf8')
    for (const [, names, specifier] of text.matchAll(/^import \{([^}]*)\} from '(\.[^']+)'/gm)) {
      const target = relative(root, resolve(root, dirname(path), specifier))
      if (layerOf(target) !== 'store' || !OPENS_FILES.includes(target.split('/')[1])) continue
      for (const name of names.split(',').map(name => name.trim()))
        if (
          name !== '' &&
          !name.startsWith('type ') &&
          !VALUES.includes(`${target.split('/')[1]}: ${name.split(' ')[0]}`)
        )
          broken.push(`${path} imports ${name} of ${target}`)
    }
  }
  assert.equal(broken, [])
})

/** An `import()` names the file itself: it is there to load one file late, and an index.ts would load the whole folder. */
const STATEMENT = /^(import|export) (?:type )?\{([^}]*)\} from '(\.[^']+)'/gm

const namesIn = (list: string): string[] =>
  list
    .split(',')
    .map(
      name =>
        name
          .trim()
          .replace(/^type /, '')
          .split(' ')[0]
    )
    .filter(name => name !== '')

contract('a folder is reached by its index.ts, which exports only what other folders use', () => {
  const offered: string[] = []
  const used = new Set<string>()
  const broken: string[] = []
  for (const path of sources)
    for (const [, word, list, specifier] of readFileSync(join(root, path), 'utf8').matchAll(STATEMENT)) {
      const target = relative(root, resolve(root, dirname(path), specifier))
      if (word === 'export') {
        if (!path.endsWith('/index.ts')) broken.push(`${path} passes on names of ${target}`)
        if (dirname(path) in floorOfRoom) for (const name of namesIn(list)) offered.push(`${path}: ${name}`)
      } else if (dirname(target) !== dirname(path) && dirname(target) in floorOfRoom) {
        if (!target.endsWith('/index.ts'))
          broken.push(`${path} goes around the index.ts of ${dirname(target)}`)
        for (const name of namesIn(list)) used.add(`${target}: ${name}`)
      } else if (target === `${dirname(path)}/index.ts`)
        broken.push(`${path} imports the index.ts of its own folder`)
    }
  assert.equal(broken, [])
  assert.equal(
    offered.filter(name => !used.has(name)),
    []
  )
})

contract('store/ has folders only', () => {
  assert.equal(
    sources.filter(path => dirname(path) === 'store'),
    []
  )
})

contract('every import names a file that is there, by its .ts name', () => {
  const broken: string[] = []
  for (const path of [...sources, ...sourcesBelow('test')])
    for (const specifier of importsOf(path)) {
      if (!specifier.startsWith('.')) continue
      const target = resolve(root, dirname(path), specifier)
      if (!specifier.endsWith('.ts') && !specifier.endsWith('.json')) broken.push(`${path}: ${specifier}`)
      else if (!existsSync(target)) broken.push(`${path}: ${specifier} is not there`)
    }
  assert.equal(broken, [])
})

contract('tests take suite from test/helpers/suite.ts, by which a run knows the test that never ends', () => {
  const broken = sourcesBelow('test').filter(path =>
    /^import \{[^}]*\bsuite\b[^}]*\} from 'uvu'/m.test(readFileSync(join(root, path), 'utf8'))
  )
  assert.equal(broken, ['test/helpers/suite.ts'])
})

contract('every package that is imported stands in package.json, by one version', () => {
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const used = new Set<string>()
  for (const path of sources)
    for (const specifier of importsOf(path)) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue
      const parts = specifier.split('/')
      used.add(specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0])
    }
  assert.ok(used.size > 5)
  for (const name of used) assert.match(devDependencies[name] ?? 'missing', /^\d+\.\d+\.\d+$/, name)
})

contract('a lock names the packages that pack as package.json does', () => {
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const [compressor, name] of [
    ['zstd', 'zstd-napi'],
    ['gzip', 'pako']
  ] as const)
    assert.is(compressorVersion(compressor), `${name} ${devDependencies[name]}`)
})

contract('the library neither prints nor ends the process', () => {
  const broken = sources
    .filter(path => layerOf(path) !== 'cli')
    .filter(path =>
      /\bconsole\.|process\.exit\b|process\.std(out|err)\b/.test(readFileSync(join(root, path), 'utf8'))
    )
  assert.equal(broken, [])
})

contract.run()
