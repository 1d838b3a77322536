/**
 * `dist/THIRD-PARTY.txt`: the licence texts of the packages whose code is in the bundle or in an addon. Their licences ask
 * that the text goes along with every copy.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const TEXT = /^(licen[cs]e|notice|copying)(\.(md|txt))?$/i

/** Users may choose between zstd's LICENSE (BSD) and its COPYING (GPL). We choose the first. */
const NOT_CHOSEN = ['zstd-napi/deps/zstd/COPYING']

/** Packages whose addons are in `dist/addons` or whose sources are in `dist/sources` (addons.mjs). */
const COMPILED = [
  'classic-level',
  'fs-xattr',
  'node-liblzma',
  'zstd-napi',
  'zstd-napi/node_modules/node-addon-api'
]

/** `@ipld/dag-json` for `../node_modules/@ipld/dag-json/src/index.js`; of nested packages the inner one, with its path. */
export const packageOf = path =>
  /.*?node_modules\/((?:.*node_modules\/)?(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]

/** Texts of a package and of the sources in it, but not those of the packages that it brings. */
function textsIn(folder, path) {
  return readdirSync(join(folder, path), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(entry => {
      const inner = path === '' ? entry.name : `${path}/${entry.name}`
      if (entry.isDirectory())
        return ['node_modules', 'build'].includes(entry.name) ? [] : textsIn(folder, inner)
      return TEXT.test(entry.name) ? [inner] : []
    })
}

function sectionOf(root, name) {
  const folder = join(root, 'node_modules', name)
  const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const paths = textsIn(folder, '').filter(path => !NOT_CHOSEN.includes(`${name}/${path}`))
  const head = `${name.split('node_modules/').at(-1)} ${version} (${license})`
  if (paths.length === 0) {
    if (!/\bApache-2\.0\b/.test(license)) throw new Error(`${name} brings no licence text`)
    return `${head}\n\nThe package brings no text. It is used under Apache-2.0, the licence of Strata itself: see LICENSE.\n`
  }
  const texts = paths.map(path => `--- ${path}\n\n${readFileSync(join(folder, path), 'utf8').trim()}\n`)
  return `${head}\n\n${texts.join('\n')}`
}

/** @param bundled paths of the files in the bundle */
export function thirdPartyTexts(root, bundled) {
  const packages = new Set([...bundled.flatMap(path => packageOf(path) ?? []), ...COMPILED])
  const sections = [...packages].sort().map(name => sectionOf(root, name))
  const rule = `\n${'='.repeat(100)}\n\n`
  return ['Strata contains code of these packages.\n', ...sections].join(rule)
}
