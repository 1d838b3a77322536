import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'

/** Every *.test.js below a folder, in the order of their names. */
export function testFilesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(entry => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return testFilesBelow(path)
      return entry.name.endsWith('.test.js') ? [path] : []
    })
}

/**
 * Files that take long, the longest first. They begin first: one that began last would keep a single core busy at the
 * end. `npm test -- --slowest` prints what this list should hold.
 */
export const SLOWEST = [
  'attack',
  'fresh-clone',
  'umoci-stacks',
  'stop',
  'lmod',
  'links',
  'guides',
  'fuzz',
  'debian-base',
  'against-ssh-keygen',
  'packages',
  'power-loss',
  'stale',
  'race',
  'metadata',
  'foreign-records',
  'build',
  'kill',
  'read-sandbox',
  'paths',
  'write-sandbox',
  'broken',
  'layer-cache'
]

/**
 * Files that only the full size runs, and who names them: `*.long.test.js`. They take long, and others test the same kind
 * of thing.
 */
const isLong = (file: string): boolean => file.endsWith('.long.test.js')

/** @param parts of names; without any, all files are meant that belong to the size */
export const isChosen = (name: string, parts: string[], isFullSize: boolean): boolean =>
  parts.length === 0 ? isFullSize || !isLong(name) : parts.some(part => name.includes(part))

/** A stable order: all that is not known to be slow keeps its place. */
export function slowestFirst(files: string[]): string[] {
  const place = (file: string) => {
    const known = SLOWEST.indexOf(basename(file, '.test.js').replace(/\.long$/, ''))
    return known < 0 ? SLOWEST.length : known
  }
  return [...files].sort((a, b) => place(a) - place(b))
}
