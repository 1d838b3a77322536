/** COPY and ADD of Dockerfiles (spec/definitions.md#dockerfiles): what is copied, and how it is written. */
import { createHash } from 'node:crypto'
import { chmodSync, constants, lstatSync, rmSync, type Stats, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type PathBytes, pathFromText } from '../../store/values/index.ts'
import { changeSeen, diskMode, type SeenMetadata, seenIn } from '../sandbox/index.ts'
import {
  assertBeside,
  leftOutOfStage,
  makeFolders,
  placeBeside,
  placeIn,
  removeRemade,
  seenAt
} from './copy-files.ts'
import { isPattern, matchesPattern } from './shell-pattern.ts'
import { copyToNew, hashOfOpen, linkBelow, namesBelow, setLike, withRegularBelow } from './source-files.ts'

/** A file, link or folder below a source. */
export interface CopyItem {
  /** Path below the target; '' for a source that is a folder, whose content is copied. */
  path: string
  /** On the host, below `root` and without links on the way; undefined for text of a here-document. */
  place?: string
  root?: string
  text?: string
  status: Pick<Stats, 'mode' | 'mtime'>
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
      return namesBelow(root, place)
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
      ? namesBelow(root, place).flatMap(name =>
          walk(join(place, name), path === '' ? name : `${path}/${name}`)
        )
      : []
    const inContext = place.slice(root.length + 1)
    const isLeft = inContext !== '' && isLeftOut(inContext)
    return isLeft && inner.length === 0 ? [] : [{ path, place, root, status }, ...inner]
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
  items.map(item =>
    digestOfItem(
      item,
      isRegular(item) ? withRegularBelow(item.root!, item.place!, hashOfOpen) : hashOfText(textOf(item))
    )
  )

const isRegular = ({ text, status }: CopyItem): boolean => text === undefined && typeOf(status) === S_IFREG

/** Of a link, where it leads. */
const textOf = ({ text, root, place, status }: CopyItem): string =>
  text ?? (typeOf(status) === S_IFLNK ? linkBelow(root!, place!) : '')

const hashOfText = (text: string): string => createHash('sha256').update(text).digest('hex')

const digestOfItem = ({ path, status }: CopyItem, hash: string): unknown => [path, status.mode, hash]

/**
 * New files replace those that are there.
 * @returns as `digestOfItems`, of what was written
 * @throws Error for a file in the place of a folder, or the other way round
 */
export function copyItems(items: CopyItem[], target: CopyTarget): unknown[] {
  const digests: unknown[] = []
  const { tree, path: wanted, from } = target
  const known = from === undefined ? undefined : seenIn(from)
  const isRemade = from === undefined ? () => false : leftOutOfStage(tree)
  const made = new Map<PathBytes, SeenMetadata>()
  const isInto = target.isFolder || isFolderAt(placeIn(tree, wanted)) || items[0]?.path === ''
  for (const item of items) {
    const path = isInto ? `${wanted}/${item.path}` : wanted
    const place = placeBeside(tree, dirname(path) === path ? path : `${dirname(path)}/`)
    const wantedPlace =
      item.path === '' || isFolderItem(item) ? placeIn(tree, path) : join(place, basename(path))
    assertBeside(tree, wantedPlace)
    if (!isFolderItem(item) && isFolderAt(wantedPlace)) removeRemade(tree, wantedPlace, isRemade)
    makeFolders(place)
    const { written, hash } = writeItem(item, wantedPlace)
    digests.push(digestOfItem(item, hash))
    if (written === undefined) continue
    const own = item.place === undefined ? undefined : seenAt(known, from ?? '', item.place)
    made.set(pathFromText(written.slice(tree.length + 1)), metadataOf(item, target, own))
    setDiskMode(written, item, metadataOf(item, target, own).mode)
  }
  changeSeen(tree, made)
  return digests
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

interface Written {
  /** Undefined for a folder that was there. */
  written?: string
  hash: string
}

function writeItem(item: CopyItem, place: string): Written {
  const there = lstatSync(place, { throwIfNoEntry: false })
  if (isFolderItem(item)) {
    if (there?.isDirectory()) return { hash: hashOfText('') }
    if (there !== undefined) throw new Error(`${item.path} is a folder, and there is a file in its place`)
    makeFolders(place)
    return { written: place, hash: hashOfText('') }
  }
  if (there?.isDirectory()) throw new Error(`${item.path} is a file, and there is a folder in its place`)
  if (there !== undefined) rmSync(place)
  return { written: place, hash: writeContent(item, place) }
}

/** @returns the SHA-256 of the bytes that were written */
function writeContent(item: CopyItem, place: string): string {
  if (isRegular(item)) return withRegularBelow(item.root!, item.place!, fd => copyToNew(fd, place))
  const isLink = item.text === undefined && typeOf(item.status) === S_IFLNK
  if (!isLink && item.text === undefined)
    throw new Error(`${item.path} is neither a file, a folder nor a link`)
  const text = textOf(item)
  if (isLink) symlinkSync(text, place)
  else writeFileSync(place, text, { flag: 'wx' })
  return hashOfText(text)
}

/**
 * Copies a source of the context into an empty folder of the build, as it is, so that a program sees what was planned and
 * nothing else, whoever else writes to the context.
 * @returns the place of the copy, and as `digestOfItems`, of what was written
 */
export function copyAside(items: CopyItem[], folder: string): { place: string; digests: unknown[] } {
  if (items.filter(({ path }) => !path.includes('/')).length > 1 && items[0].path !== '')
    throw new Error('--mount wants one file or folder as its source')
  const placeOf = ({ path }: CopyItem) => (path === '' ? folder : join(folder, path))
  const digests = items.map(item => digestOfItem(item, writeItem(item, placeOf(item)).hash))
  for (const item of items.toReversed())
    if (typeOf(item.status) !== S_IFLNK) setLike(placeOf(item), item.status, item.status.mode & 0o777)
  return { place: placeOf(items[0]), digests }
}

function setDiskMode(place: string, { status }: CopyItem, mode: number): void {
  if (typeOf(status) !== S_IFLNK) chmodSync(place, diskMode(mode))
}
