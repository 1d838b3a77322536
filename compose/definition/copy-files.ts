/**
 * Copies files into a tree. Links of the tree are followed in the tree alone, because an image's author chose them, and
 * every name is looked up anew.
 */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
  statSync,
  symlinkSync
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { StrataError } from '../../store/values/index.ts'
import { isPattern, matchesPattern } from './shell-pattern.ts'
import { copyFromHost, copyOverFromHost, hashOfFile } from './source-files.ts'

const MOST_LINKS = 40

/** The path of the host for a path of the tree; names that are not there stay as they are. */
export function placeIn(tree: string, path: string): string {
  let ahead = path.split('/')
  const found: string[] = []
  for (let links = 0; ahead.length > 0; ) {
    const [name, ...rest] = ahead
    ahead = rest
    if (name === '' || name === '.') continue
    if (name === '..') {
      found.pop()
      continue
    }
    const status = lstatSync(join(tree, ...found, name), { throwIfNoEntry: false })
    if (!status?.isSymbolicLink()) {
      found.push(name)
      continue
    }
    if (++links > MOST_LINKS)
      throw new StrataError('USAGE', { message: `${path}: too many links on the way` })
    const target = readlinkSync(join(tree, ...found, name))
    if (target.startsWith('/')) found.length = 0
    ahead = [...target.split('/'), ...ahead]
  }
  return join(tree, ...found)
}

export interface Copying {
  tree: string
  /** True to copy what links lead to, as for files of the host. */
  followsLinks: boolean
}

/** As cp(1): into a folder if one is there, or if the target ends with a slash. @param source path of the host */
export function copyInto({ tree, followsLinks }: Copying, source: string, target: string): void {
  const place = placeIn(tree, target)
  const isFolder = target.endsWith('/') || statSync(place, { throwIfNoEntry: false })?.isDirectory() === true
  const wanted = isFolder ? `${target}/${basename(source)}` : target
  makeFolders(placeIn(tree, isFolder ? target : target.slice(0, target.lastIndexOf('/') + 1)))
  copyOne({ tree, followsLinks }, source, wanted, statSync(source))
}

/** Makes a folder and those above it that are missing, whatever umask the user has. @param place path of the host */
export function makeFolders(place: string): void {
  const missing: string[] = []
  for (let path = place; lstatSync(path, { throwIfNoEntry: false }) === undefined; path = dirname(path))
    missing.unshift(path)
  for (const path of missing) makeFolder(path, 0o755)
}

function makeFolder(place: string, mode: number): void {
  mkdirSync(place, 0o700)
  chmodSync(place, (mode & 0o755) | 0o700)
}

function copyOne(copying: Copying, source: string, target: string, status: Stats): void {
  const { tree, followsLinks } = copying
  const place = placeIn(tree, target)
  if (status.isDirectory()) {
    if (!statSync(place, { throwIfNoEntry: false })?.isDirectory()) makeFolder(place, status.mode)
    for (const name of readdirSync(source).sort()) {
      const path = join(source, name)
      copyOne(copying, path, `${target}/${name}`, followsLinks ? statSync(path) : lstatSync(path))
    }
  } else if (status.isSymbolicLink()) symlinkSync(readlinkSync(source), place)
  else if (status.isFile()) copyFile(source, place, status)
  else
    throw new StrataError('USAGE', {
      message: `${source} is neither a file, a folder nor a link`,
      facts: { file: source }
    })
}

/** A file that is there keeps its mode and owner, as with cp(1). */
function copyFile(source: string, place: string, { mode }: Stats): void {
  if (lstatSync(place, { throwIfNoEntry: false })?.isFile()) {
    const fd = openSync(place, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW)
    try {
      copyOverFromHost(source, fd)
    } finally {
      closeSync(fd)
    }
    return
  }
  copyFromHost(source, place)
  chmodSync(place, (mode & 0o755) | 0o600)
}

/** Paths of the host that a pattern of the shell names, in byte order. */
export function expandPattern(pattern: string): string[] {
  if (!isPattern(pattern)) return [pattern]
  let found = [pattern.startsWith('/') ? '/' : '']
  for (const part of pattern.split('/').filter(each => each !== '')) {
    found = found.flatMap(folder => {
      if (!isPattern(part)) return [join(folder, part)]
      return namesIn(folder)
        .filter(name => matchesPattern(name, part) && (part.startsWith('.') || !name.startsWith('.')))
        .map(name => join(folder, name))
    })
  }
  return found.filter(path => lstatSync(path, { throwIfNoEntry: false }) !== undefined)
}

const namesIn = (folder: string): string[] => {
  if (!statSync(folder === '' ? '.' : folder, { throwIfNoEntry: false })?.isDirectory()) return []
  return readdirSync(folder === '' ? '.' : folder).sort()
}

/** Of all that `copyInto` takes over from a path of the host: kinds, names, permissions and contents. */
export function digestOfPath(path: string): string {
  const hash = createHash('sha256')
  const add = (path: string) => {
    const status = statSync(path)
    const names = status.isDirectory() ? readdirSync(path).sort() : undefined
    const content = names ?? (status.isFile() ? hashOfFile(path) : '')
    hash.update(`${JSON.stringify([basename(path), status.mode & 0o755, content])}\n`)
    for (const name of names ?? []) add(join(path, name))
  }
  add(path)
  return hash.digest('hex')
}
