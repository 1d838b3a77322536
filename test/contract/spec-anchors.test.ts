import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { EXIT_STATUS } from '../../store/values/errors.ts'
import { suite } from '../helpers/suite.ts'

/** Text and code cannot part: what code cites is there, and what a document links to as well. */
const contract = suite('contract: spec')

const root = fileURLToPath(new URL('../../../', import.meta.url))

const filesBelow = (folder: string, ending: RegExp): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return path === 'native/build' ? [] : filesBelow(path, ending)
    return ending.test(entry.name) ? [path] : []
  })

/** Names that GitHub gives the headings of a document. */
function anchorsOf(document: string): Set<string> {
  const text = readFileSync(join(root, document), 'utf8').replace(/^```[\s\S]*?^```/gm, '')
  return new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-')
    )
  )
}

/** The fault of a reference such as `spec/tar.md#sparse`; undefined if there is none. */
function fault(document: string, anchor: string | undefined): string | undefined {
  if (!existsSync(join(root, document))) return `${document} is not there`
  if (anchor === undefined || anchorsOf(document).has(anchor)) return undefined
  return `${document} has no heading #${anchor}`
}

contract('every document and heading that code cites is there', () => {
  const broken: string[] = []
  let cited = 0
  for (const folder of ['cli', 'compose', 'store', 'native', 'test'])
    for (const path of filesBelow(folder, /\.(ts|c|h|mjs)$/))
      for (const [, document, anchor] of readFileSync(join(root, path), 'utf8').matchAll(
        /\b(spec\/[a-z0-9.-]+\.(?:md|json))(?:#([\p{L}\p{N}_-]+))?/gu
      )) {
        cited++
        const wrong = path.endsWith('spec-anchors.test.ts') ? undefined : fault(document, anchor)
        if (wrong !== undefined) broken.push(`${path}: ${wrong}`)
      }
  assert.ok(cited > 50)
  assert.equal([...new Set(broken)], [])
})

contract('every link of a document leads somewhere', () => {
  const broken: string[] = []
  for (const path of filesBelow('spec', /\.md$/))
    for (const [, target, anchor] of readFileSync(join(root, path), 'utf8').matchAll(
      /\]\(([a-z0-9./-]*)(?:#([^)]+))?\)/g
    )) {
      const document = target === '' ? path : join('spec', target)
      const wrong = fault(document, document.endsWith('.md') ? anchor : undefined)
      if (wrong !== undefined) broken.push(`${path}: ${wrong}`)
    }
  assert.equal(broken, [])
})

contract('spec/errors.md has every code with its exit status, and no other', () => {
  const table = readFileSync(join(root, 'spec/errors.md'), 'utf8')
  const rows = [...table.matchAll(/^\| `([A-Z_]+)` \| (\d+) \|/gm)].map(([, code, status]) => [
    code,
    Number(status)
  ])
  assert.equal(Object.fromEntries(rows), { ...EXIT_STATUS })
  assert.is(rows.length, Object.keys(EXIT_STATUS).length)
})

contract('every code is thrown somewhere', () => {
  const text = ['cli', 'compose', 'store']
    .flatMap(folder => filesBelow(folder, /\.ts$/))
    .filter(path => path !== 'store/values/errors.ts')
    .map(path => readFileSync(join(root, path), 'utf8'))
    .join('\n')
  assert.equal(
    Object.keys(EXIT_STATUS).filter(code => !text.includes(`'${code}'`)),
    []
  )
})

contract.run()
