import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Size } from '../helpers/size.ts'

/** Every *.test.js below a folder. */
export function testFilesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return testFilesBelow(path)
    return entry.name.endsWith('.test.js') ? [path] : []
  })
}

/** The longest source first: of files of which nothing else is known, those may take the longest. */
export const longestSourceFirst = (files: string[]): string[] =>
  files
    .map(file => ({ file, bytes: statSync(file).size }))
    .sort((a, b) => b.bytes - a.bytes || (a.file < b.file ? -1 : 1))
    .map(({ file }) => file)

/** The sizes that run a file: `*.longest.test.js` belongs to one, `*.long.test.js` to two, any other to each. */
function sizesOf(file: string): Size[] {
  if (file.endsWith('.longest.test.js')) return ['all']
  return file.endsWith('.long.test.js') ? ['check', 'all'] : ['quick', 'check', 'all']
}

/** @param parts of names; without any, all files are meant that belong to the size */
export const isChosen = (name: string, parts: string[], size: Size): boolean =>
  parts.length === 0 ? sizesOf(name).includes(size) : parts.some(part => name.includes(part))
