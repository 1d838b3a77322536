/** A store in which single bytes are changed, as a disk does it by itself: no time changes, no note of a check. */

import { createHash } from 'node:crypto'
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { buildImage } from '../../compose/outputs/build-image.ts'
import { chosenModules } from '../../compose/outputs/resolve-target.ts'
import { readBlob } from '../../store/contents/blob-store.ts'
import { NOTE_ENDING } from '../../store/contents/data-identity.ts'
import { readLayer } from '../../store/contents/manifests.ts'
import { readRecord } from '../../store/contents/read-record.ts'
import { fsck } from '../../store/fsck/check-store.ts'
import { describeModule } from '../../store/lookup/describe-module.ts'
import { parseModuleRequest } from '../../store/module/name.ts'
import { listRefs } from '../../store/module/ref-list.ts'
import { openRepository } from '../../store/repository/open-repository.ts'
import type { Repository } from '../../store/repository/repository.ts'
import { sha256Of } from '../../store/values/digest.ts'
import { StrataError } from '../../store/values/errors.ts'
import { type Random, randomOf } from '../compose/helpers/random-layer.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { importInto, newStore } from '../helpers/stores.ts'

/** Files that nothing depends on: a damaged one counts as absent. */
const DERIVED = /^(index|tmp)\/|\.checked$|^refs\/history\//

export interface RottenStore {
  store: Repository
  /** The same, whole: what a mirror or a backup is. */
  intact: string
  /** Relative paths of all files whose bytes matter. */
  files: string[]
  folder: string
}

const SOURCES = `
  cd "$1"; mkdir -p base/bin base/etc lib/opt
  seq 3000 > base/etc/numbers; head -c "$2" /dev/urandom > base/bin/tool; ln base/bin/tool base/bin/same
  ln -s tool base/bin/link; printf x > base/etc/small; head -c 3000 /dev/urandom > lib/opt/lib.so
  for layer in base lib; do
    tar -C "$layer" --format=pax --pax-option=SCHILY.xattr.user.of=layer --sort=name -cf "$layer.tar" .
  done`

/** @param contentBytes of the one large file; three modules of a small one leave little that is not a table */
export async function rottenStore(contentBytes: number): Promise<RottenStore> {
  const folder = scratch()
  bash(SOURCES, folder, String(contentBytes))
  const store = await newStore()
  await importInto(store, 'base/a-1', [join(folder, 'base.tar')])
  await importInto(store, 'lib/b-2.1', [join(folder, 'lib.tar')], { settings: { summary: 'a library' } })
  const intact = join(folder, 'intact')
  bash('cp -a "$1" "$2"', store.root, intact)
  return { store, intact, files: filesBelow(store.root).filter(path => !DERIVED.test(path)), folder }
}

export const filesBelow = (root: string, below = ''): string[] =>
  readdirSync(join(root, below), { withFileTypes: true }).flatMap(entry => {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    return entry.isDirectory() ? filesBelow(root, path) : [path]
  })

export interface Flip {
  file: string
  at: number
  /** Bits that are turned; never 0. */
  bits: number
}

/** Written as root, who needs no permission. The note says that the data file was checked, as it would in real life. */
export function applyFlip({ root }: Repository, { file, at, bits }: Flip): void {
  const path = join(root, file)
  const { atime, mtime } = statSync(path)
  const fd = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(fd, byte, 0, 1, at)
  byte[0] ^= bits
  writeSync(fd, byte, 0, 1, at)
  closeSync(fd)
  utimesSync(path, atime, mtime)
  if (!file.startsWith('data/')) return
  const { size, ino, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
  writeFileSync(`${path}${NOTE_ENDING}`, `${size} ${ino} ${mtimeNs} ${ctimeNs}\n`)
}

/** Every byte of files up to a size, so many random ones of larger files; which bits is random. */
export function flipsOf({ store, files }: RottenStore, wholeBytes: number, randomEach: number): Flip[] {
  const random = randomOf(1)
  return files.flatMap(file => {
    const { size } = statSync(join(store.root, file))
    const places =
      size <= wholeBytes
        ? Array.from({ length: size }, (_, at) => at)
        : Array.from({ length: randomEach }, () => random(size))
    return places.map(at => ({ file, at, bits: 1 + random(255) }))
  })
}

export function someOf<T>(items: T[], count: number, random: Random): T[] {
  return items.length <= count ? items : Array.from({ length: count }, () => items[random(items.length)])
}

/** All that a store gives out, by module: hashes of tarballs, descriptions, an image. */
export async function readOut(store: Repository, image: string): Promise<string> {
  const { refs, faults } = listRefs(store.root)
  if (faults.length > 0) throw faults[0]
  const out: unknown[] = []
  for (const { name, record } of refs) {
    out.push(name, JSON.stringify(await describeModule(store, record)))
    for (const id of (await readRecord(store, record)).layers) {
      const hash = createHash('sha256')
      for await (const piece of readBlob(store, sha256Of((await readLayer(store, id)).tar)))
        hash.update(piece)
      out.push(hash.digest('hex'))
    }
  }
  const modules = await chosenModules(store, ['base/a', 'lib/b'].map(parseModuleRequest))
  const target = { name: 'test', modules }
  const { lock } = await buildImage(store, target, { out: image, sync: false, verify: true })
  rmSync(image)
  return JSON.stringify([out, lock])
}

export type Outcome = 'refused' | 'the same' | 'wrong'

/**
 * Flips bits, reads, and undoes the flip.
 * @returns the outcome of reading
 */
export async function readAfter(rotten: RottenStore, flip: Flip, wanted: string): Promise<Outcome> {
  return afterFlip(rotten, flip, async () => {
    try {
      const store = await openRepository({ store: rotten.store.root, path: '' })
      return (await readOut(store, join(rotten.folder, 'image'))) === wanted ? 'the same' : 'wrong'
    } catch (error) {
      if (error instanceof StrataError) return 'refused'
      throw error
    }
  })
}

/** True if fsck reports it. */
export const isFound = (rotten: RottenStore, flip: Flip): Promise<boolean> =>
  afterFlip(rotten, flip, async () => {
    try {
      const store = await openRepository({ store: rotten.store.root, path: '' })
      return (await fsck(store)).findings.length > 0
    } catch (error) {
      if (error instanceof StrataError) return true // store.json itself
      throw error
    }
  })

async function afterFlip<T>({ store }: RottenStore, flip: Flip, look: () => Promise<T>): Promise<T> {
  applyFlip(store, flip)
  try {
    return await look()
  } finally {
    applyFlip(store, flip)
  }
}

export const bytesOf = (root: string, file: string): string => readFileSync(join(root, file), 'base64')
