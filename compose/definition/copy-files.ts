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
  rmSync,
  type Stats,
  statSync,
  symlinkSync
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type PathBytes, pathFromText, StrataError } from '../../store/values/index.ts'
import {
  COMPOSE_FOLDER,
  changeSeen,
  diskMode,
  generatedIn,
  type SeenMetadata,
  seenIn
} from '../sandbox/index.ts'
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

const isOfRecord = (path: string): boolean => path === COMPOSE_FOLDER || path.startsWith(`${COMPOSE_FOLDER}/`)

/**
 * As `placeIn`, for what is read or written: `/.compose` says what a tree was made of and for whom it is, so no definition
 * reads or writes there.
 * @throws Error
 */
export function placeBeside(tree: string, path: string): string {
  return assertBeside(tree, placeIn(tree, path))
}

/** @param place path of the host. @throws Error */
export function assertBeside(tree: string, place: string): string {
  const inside = place.slice(tree.length + 1)
  if (isOfRecord(inside))
    throw new Error(
      `/${inside} is of compose, which keeps there what the tree was made of; choose another path`
    )
  return place
}

/** True for paths of another stage's tree that no copy takes: its record, and what every build makes again. */
export function leftOutOfStage(tree: string): (path: string) => boolean {
  const generated = generatedIn(tree)
  return path => isOfRecord(path) || generated.has(pathFromText(path))
}

export interface Copying {
  tree: string
  /** True to copy what links lead to, as for files of the host. */
  followsLinks: boolean
  /** A real path: no file of the host that lies elsewhere is taken. */
  within?: string
  /** Another stage, whose ACLs are taken over. */
  stage?: StageCopy
}

/**
 * Removes a folder that every build makes, if nothing else is in it: what a stage has in its place may be a link.
 * @param isRemade of paths of the tree
 */
export function removeRemade(tree: string, place: string, isRemade: (path: string) => boolean): void {
  const isAll = (at: string): boolean =>
    isRemade(at.slice(tree.length + 1)) &&
    (!lstatSync(at).isDirectory() || readdirSync(at).every(name => isAll(join(at, name))))
  if (!isOfRecord(place.slice(tree.length + 1)) && isAll(place)) rmSync(place, { recursive: true })
}

/** Of a copy from another stage's tree. */
export interface StageCopy {
  tree: string
  known: ReadonlyMap<PathBytes, SeenMetadata>
  isLeftOut(path: string): boolean
  /** Of the tree that is written. */
  isRemade(path: string): boolean
  made: Map<PathBytes, SeenMetadata>
}

/**
 * Copies from one stage's tree into another; what commands see of the copies is written once behind all of them.
 * @param tree that is written
 * @param from that is read
 */
export function copyingStage(tree: string, from: string, copy: (stage: StageCopy) => void): void {
  const stage: StageCopy = {
    tree: from,
    known: seenIn(from),
    isLeftOut: leftOutOfStage(from),
    isRemade: leftOutOfStage(tree),
    made: new Map()
  }
  copy(stage)
  if (stage.made.size > 0) changeSeen(tree, stage.made)
}

/** What commands see of a path of the host that lies in a tree. */
export const seenAt = (
  known: ReadonlyMap<PathBytes, SeenMetadata> | undefined,
  tree: string,
  place: string
): SeenMetadata | undefined => known?.get(pathFromText(place.slice(tree.length + 1)))

/**
 * As cp(1): into a folder if one is there, or if the target ends with a slash. The top of another stage's tree stands for
 * what is in it.
 * @param source path of the host
 * @throws Error for /.compose
 */
export function copyInto(
  { tree, followsLinks, within, stage }: Copying,
  source: string,
  target: string
): void {
  const place = placeIn(tree, target)
  const isFolder = target.endsWith('/') || statSync(place, { throwIfNoEntry: false })?.isDirectory() === true
  const wanted = isFolder && source !== stage?.tree ? `${target}/${basename(source)}` : target
  placeBeside(tree, wanted)
  makeFolders(placeBeside(tree, isFolder ? target : target.slice(0, target.lastIndexOf('/') + 1)))
  if (stage !== undefined) assertBeside(stage.tree, source)
  copyOne({ tree, followsLinks, within, stage }, source, wanted, statSync(source))
}

/** Copies what is in a folder of the host to the top of a tree, with links as they are. @throws Error for /.compose */
export const copyContent = (tree: string, folder: string): void =>
  copyOne({ tree, followsLinks: false }, folder, '', statSync(folder))

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
  const { tree, followsLinks, stage } = copying
  const place = placeBeside(tree, target)
  if (
    stage !== undefined &&
    !status.isDirectory() &&
    lstatSync(place, { throwIfNoEntry: false })?.isDirectory()
  )
    removeRemade(tree, place, stage.isRemade)
  if (status.isDirectory()) {
    const isNew = !statSync(place, { throwIfNoEntry: false })?.isDirectory()
    if (isNew) makeFolder(place, status.mode)
    if (isNew && stage !== undefined) takeAcl(stage, source, tree, place)
    for (const name of readdirSync(source).sort()) {
      const path = join(source, name)
      if (isLeft(stage, path)) continue
      copyOne(copying, path, `${target}/${name}`, followsLinks ? statSync(path) : lstatSync(path))
    }
  } else if (status.isSymbolicLink()) symlinkSync(readlinkSync(source), place)
  else if (status.isFile()) {
    copyFile(source, place, status, copying.within)
    if (stage !== undefined) takeAcl(stage, source, tree, place)
  } else
    throw new StrataError('USAGE', {
      message: `${source} is neither a file, a folder nor a link`,
      facts: { file: source }
    })
}

/** A folder that is left out is copied all the same if it holds something that is not. */
function isLeft(stage: StageCopy | undefined, place: string): boolean {
  if (stage === undefined) return false
  if (!stage.isLeftOut(place.slice(stage.tree.length + 1))) return false
  if (!lstatSync(place).isDirectory()) return true
  return readdirSync(place).every(name => isLeft(stage, join(place, name)))
}

/** Without capabilities, as files come without set-id bits. The group's bits of a mode are the mask of its ACL. */
function takeAcl({ tree: from, known, made }: StageCopy, source: string, tree: string, place: string): void {
  const own = seenAt(known, from, source)
  const attributes = new Map([...(own?.attributes ?? [])].filter(([name]) => !name.startsWith('security.')))
  if (own === undefined || attributes.size === 0) return
  const mode = own.mode & ~0o7000
  chmodSync(place, diskMode(mode))
  const path = pathFromText(place.slice(tree.length + 1))
  made.set(path, { mode, uid: 0, gid: 0, rdevMajor: 0, rdevMinor: 0, attributes })
}

/** A file that is there keeps its mode and owner, as with cp(1). */
function copyFile(source: string, place: string, { mode }: Stats, within?: string): void {
  if (lstatSync(place, { throwIfNoEntry: false })?.isFile()) {
    const fd = openSync(place, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW)
    try {
      copyOverFromHost(source, fd, within)
    } finally {
      closeSync(fd)
    }
    return
  }
  copyFromHost(source, place, within)
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
