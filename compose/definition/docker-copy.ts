/** COPY and ADD of Dockerfiles (spec/definitions.md#dockerfiles): what is copied, and how it is written. */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  constants,
  copyFileSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  type Stats,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type PathBytes, pathFromText } from '../../store/values/index.ts'
import { changeSeen, diskMode, type SeenMetadata, seenIn } from '../sandbox/index.ts'
import { makeFolders, placeIn } from './copy-files.ts'
import { isPattern, matchesPattern } from './shell-pattern.ts'

/** A file, link or folder below a source. */
export interface CopyItem {
  /** Path below the target; '' for a source that is a folder, whose content is copied. */
  path: string
  /** On the host; undefined for text of a here-document. */
  place?: string
  text?: string
  status: Pick<Stats, 'mode'>
}

const { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } = constants
const typeOf = ({ mode }: Pick<Stats, 'mode'>): number => mode & S_IFMT

/**
 * Files of a folder that words name. Links on the way lead within the folder.
 * @param words patterns; a source that is a folder stands for what is in it
 * @throws Error for a word that names nothing
 */
export function itemsOf(
  root: string,
  words: string[],
  isLeftOut: (path: string) => boolean = () => false
): CopyItem[] {
  return words.flatMap(word => {
    const items = expandIn(root, word).flatMap(path => itemsBelow(root, path, isLeftOut))
    if (items.length === 0) throw new Error(`no file is named ${word}`)
    return items
  })
}

function expandIn(root: string, word: string): string[] {
  let found = ['']
  for (const part of word.split('/').filter(each => each !== '' && each !== '.'))
    found = found.flatMap(folder => {
      if (!isPattern(part)) return [`${folder}/${part}`]
      const place = placeIn(root, folder)
      if (!lstatSync(place, { throwIfNoEntry: false })?.isDirectory()) return []
      return readdirSync(place)
        .sort()
        .filter(name => matchesPattern(name, part))
        .map(name => `${folder}/${name}`)
    })
  return found.filter(path => lstatSync(placeIn(root, path), { throwIfNoEntry: false }) !== undefined)
}

function itemsBelow(root: string, source: string, isLeftOut: (path: string) => boolean): CopyItem[] {
  const top = placeIn(root, source)
  const isFolder = lstatSync(top).isDirectory()
  const walk = (place: string, path: string): CopyItem[] => {
    const status = lstatSync(place)
    const inner = status.isDirectory()
      ? readdirSync(place)
          .sort()
          .flatMap(name => walk(join(place, name), path === '' ? name : `${path}/${name}`))
      : []
    const inContext = place.slice(root.length + 1)
    const isLeft = inContext !== '' && isLeftOut(inContext)
    return isLeft && inner.length === 0 ? [] : [{ path, place, status }, ...inner]
  }
  return walk(top, isFolder ? '' : basename(source))
}

export interface Ownership {
  uid: number
  gid: number
}

export interface CopyTarget {
  tree: string
  path: string
  /** True if there must be a folder at the path. */
  isFolder: boolean
  owner?: Ownership
  mode?: number
  /** Tree of another stage, whose owners and attributes are taken over. */
  from?: string
}

/** What a copy depends on, for the key of its step. */
export const digestOfItems = (items: CopyItem[]): unknown[] =>
  items.map(({ path, place, text, status }) => {
    const content = text ?? (typeOf(status) === S_IFLNK ? readlinkSync(place!) : undefined)
    const bytes = content ?? (typeOf(status) === S_IFREG ? readFileSync(place!) : '')
    return [path, status.mode, createHash('sha256').update(bytes).digest('hex')]
  })

/** New files replace those that are there. @throws Error for a file in the place of a folder, or the other way round */
export function copyItems(items: CopyItem[], target: CopyTarget): void {
  const { tree, path: wanted, from } = target
  const known = from === undefined ? undefined : seenIn(from)
  const made = new Map<PathBytes, SeenMetadata>()
  const isInto = target.isFolder || isFolderAt(placeIn(tree, wanted)) || items[0]?.path === ''
  for (const item of items) {
    const path = isInto ? `${wanted}/${item.path}` : wanted
    const place = placeIn(tree, dirname(path) === path ? path : `${dirname(path)}/`)
    makeFolders(place)
    const written = writeItem(
      item,
      item.path === '' || isFolderItem(item) ? placeIn(tree, path) : join(place, basename(path))
    )
    if (written === undefined) continue
    const own =
      item.place === undefined ? undefined : known?.get(pathFromText(item.place.slice(from!.length + 1)))
    made.set(pathFromText(written.slice(tree.length + 1)), metadataOf(item, target, own))
    setDiskMode(written, item, metadataOf(item, target, own).mode)
  }
  changeSeen(tree, made)
}

const isFolderItem = ({ status }: CopyItem): boolean => typeOf(status) === S_IFDIR

const isFolderAt = (place: string): boolean =>
  lstatSync(place, { throwIfNoEntry: false })?.isDirectory() === true

function metadataOf({ status }: CopyItem, { owner, mode }: CopyTarget, own?: SeenMetadata): SeenMetadata {
  const bits = typeOf(status) === S_IFLNK ? 0o777 : (mode ?? (own?.mode ?? status.mode) & 0o7777)
  return {
    mode: typeOf(status) | bits,
    uid: owner?.uid ?? own?.uid ?? 0,
    gid: owner?.gid ?? own?.gid ?? 0,
    ...{ rdevMajor: 0, rdevMinor: 0 },
    attributes: own?.attributes ?? new Map()
  }
}

/** @returns undefined for a folder that was there */
function writeItem(item: CopyItem, place: string): string | undefined {
  const there = lstatSync(place, { throwIfNoEntry: false })
  if (isFolderItem(item)) {
    if (there?.isDirectory()) return undefined
    if (there !== undefined) throw new Error(`${item.path} is a folder, and there is a file in its place`)
    makeFolders(place)
    return place
  }
  if (there?.isDirectory()) throw new Error(`${item.path} is a file, and there is a folder in its place`)
  if (there !== undefined) rmSync(place)
  if (item.text !== undefined) writeFileSync(place, item.text, { flag: 'wx' })
  else if (typeOf(item.status) === S_IFLNK) symlinkSync(readlinkSync(item.place!), place)
  else if (typeOf(item.status) === S_IFREG) copyFileSync(item.place!, place, constants.COPYFILE_EXCL)
  else throw new Error(`${item.path} is neither a file, a folder nor a link`)
  return place
}

function setDiskMode(place: string, { status }: CopyItem, mode: number): void {
  if (typeOf(status) !== S_IFLNK) chmodSync(place, diskMode(mode))
}
