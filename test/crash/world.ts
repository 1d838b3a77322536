/** A copy of a case's world, and what must hold in it. */

import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readBlob } from '../../store/contents/blob-store.ts'
import { readLayer, readSidecar } from '../../store/contents/manifests.ts'
import { readRecord } from '../../store/contents/read-record.ts'
import { fsck } from '../../store/fsck/check-store.ts'
import { openObject } from '../../store/import/layer-object.ts'
import { listRefs } from '../../store/module/ref-list.ts'
import { openRepository } from '../../store/repository/open-repository.ts'
import type { Repository } from '../../store/repository/repository.ts'
import { sha256Of } from '../../store/values/digest.ts'
import { StrataError } from '../../store/values/errors.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import type { CrashCase } from './cases.ts'

let folder: string | undefined
let made = 0

/** A copy with links and attributes, at a path that no other run has. */
export function copyOf(template: string): string {
  folder ??= scratch()
  const world = join(folder, String(++made))
  bash('cp -a "$1" "$2"', template, world)
  return world
}

export const emptyWorld = (): string => {
  folder ??= scratch()
  const world = join(folder, String(++made))
  mkdirSync(world)
  return world
}

export const drop = (world: string): void => rmSync(world, { recursive: true, force: true })

/** Files whose bytes no command promises: unnamed ones, look-up tables, notes of inode numbers. */
const DERIVED = /^store\/(tmp|index)(\/|$)|\.checked$/

export type Snapshot = Map<string, string>

/** Everything in a world: kind, owner, mode, content. */
export function snapshot(world: string, below = ''): Snapshot {
  const found: Snapshot = new Map()
  for (const name of readdirSync(join(world, below)).sort()) {
    const path = below === '' ? name : `${below}/${name}`
    if (DERIVED.test(path)) continue
    const status = lstatSync(join(world, path))
    found.set(path, `${status.mode.toString(8)} ${status.uid}:${status.gid} ${contentOf(join(world, path))}`)
    if (status.isDirectory()) for (const [inner, what] of snapshot(world, path)) found.set(inner, what)
  }
  return found
}

function contentOf(path: string): string {
  const status = lstatSync(path)
  if (status.isSymbolicLink()) return readlinkSync(path)
  return status.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : ''
}

export const isSame = (a: Snapshot, b: Snapshot): boolean =>
  a.size === b.size && [...a].every(([path, what]) => b.get(path) === what)

export const sameWorld = (actual: Snapshot, wanted: Snapshot, when: string): void => {
  const lines = (from: Snapshot, other: Snapshot) =>
    [...from].filter(([path, what]) => other.get(path) !== what).map(([path, what]) => `${path}: ${what}`)
  assert.equal(
    { tooMuch: lines(actual, wanted), missing: lines(wanted, actual) },
    { tooMuch: [], missing: [] },
    when
  )
}

/** Paths of what an interrupted command leaves beside its output, until the next one (spec/store-layout.md#crash). */
const ABANDONED = /(^|\/)\.compose-[^/]*\.tmp(\/|$)/

/**
 * After a crash: the store is sound and every module in it whole, every output is as it was or as it should become,
 * and what else is left has a name that says so.
 */
export async function assertSound(
  { outputs, faults, template }: CrashCase,
  world: string,
  finished: Snapshot,
  when: string
): Promise<void> {
  const before = snapshot(template)
  const now = snapshot(world)
  for (const [path, what] of now) {
    if (path.startsWith('store') || ABANDONED.test(path)) continue
    const isOutput = outputs.some(output => output === path)
    const isBelowOutput = outputs.some(
      output => path.startsWith(`${output}/`) || output.startsWith(`${path}/`)
    )
    if (isBelowOutput || lstatSync(join(world, path)).isDirectory()) continue
    assert.ok(
      what === before.get(path) || (isOutput && what === finished.get(path)),
      `${when}: ${path} is neither old nor new`
    )
  }
  for (const output of outputs) assertWholeFolder(output, now, finished, when)
  await assertStoreSound(join(world, 'store'), when, faults)
}

/** Files that exist only in a complete folder: the record of a sandbox, the index of an OCI layout. */
const COMPLETE_WITH = ['.compose/sandbox/record', 'index.json']

function assertWholeFolder(output: string, now: Snapshot, finished: Snapshot, when: string): void {
  if (!COMPLETE_WITH.some(name => now.has(`${output}/${name}`))) return
  const below = (tree: Snapshot) => new Map([...tree].filter(([path]) => path.startsWith(output)))
  sameWorld(contentsOnly(below(now)), contentsOnly(below(finished)), `${when}: ${output}`)
}

/** Without owners and modes, which for folders are no part of the model of a disk that loses power. */
export const contentsOnly = (world: Snapshot): Snapshot =>
  new Map([...world].map(([path, what]) => [path, what.split(' ').slice(2).join(' ')]))

/** @param faults codes of findings that are no surprise */
export async function assertStoreSound(root: string, when: string, faults?: RegExp): Promise<void> {
  const store = await openRepository({ store: root, path: '' }).catch(error => {
    if (error instanceof StrataError && error.code === 'STORE_MISSING') return undefined
    throw error
  })
  if (store === undefined) return
  const { findings } = await fsck(store)
  assert.equal(
    findings.filter(({ code }) => faults?.test(code) !== true),
    [],
    when
  )
  if (faults === undefined) await readModules(store)
}

/** All that an export and a build read. */
async function readModules(store: Repository): Promise<void> {
  for (const { record } of listRefs(store.root).refs)
    for (const id of (await readRecord(store, record)).layers) {
      const manifest = await readLayer(store, id)
      for await (const _piece of readBlob(store, sha256Of(manifest.tar)));
      await readSidecar(store, manifest)
      await (await openObject(store, id)).data.close()
    }
}
