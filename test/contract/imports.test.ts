import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

/** Imports go cli → compose → store → native: from a folder to those behind it, and never back. */
const LAYERS = ['cli', 'compose', 'store', 'native']

/** The sources lie beside the folder that they were compiled into. */
const root = fileURLToPath(new URL('../../../', import.meta.url))

const contract = suite('contract: imports')

const sourcesBelow = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return entry.name === 'build' ? [] : sourcesBelow(path)
    return entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts') ? [path] : []
  })

const IMPORT = /^\s*(?:import|export)\s[^'"]*?from\s+'([^']+)'|\bimport\('([^']+)'\)|^import\s+'([^']+)'/gm

const importsOf = (path: string): string[] =>
  [...readFileSync(join(root, path), 'utf8').matchAll(IMPORT)].map(match => match[1] ?? match[2] ?? match[3])

const layerOf = (path: string): string => path.split('/')[0]

const sources = LAYERS.flatMap(sourcesBelow)

contract('nobody imports upwards, and nobody imports a test', () => {
  assert.ok(sources.length > 100)
  const broken: string[] = []
  for (const path of sources)
    for (const specifier of importsOf(path)) {
      if (!specifier.startsWith('.')) continue
      const target = relative(root, resolve(root, dirname(path), specifier))
      const [from, to] = [LAYERS.indexOf(layerOf(path)), LAYERS.indexOf(layerOf(target))]
      if (to < from) broken.push(`${path} imports ${target}`)
    }
  assert.equal(broken, [])
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

contract('every package that is imported stands in package.json', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const used = new Set<string>()
  for (const path of sources)
    for (const specifier of importsOf(path)) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue
      const parts = specifier.split('/')
      used.add(specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0])
    }
  assert.equal(
    [...used].filter(name => !(name in dependencies)),
    []
  )
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
