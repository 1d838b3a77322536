import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readRecord } from '../../store/contents/read-record.ts'
import { exportLayers } from '../../store/export/export-module.ts'
import { fsck } from '../../store/fsck/check-store.ts'
import { collectGarbage, type GcOptions, type GcReport } from '../../store/gc/collect-garbage.ts'
import { parseModuleName } from '../../store/module/name.ts'
import { readRef } from '../../store/module/ref-file.ts'
import type { Repository } from '../../store/repository/repository.ts'
import { sha256OfFile } from './layers.ts'
import { bash } from './real-tree.ts'
import { scratch } from './scratch.ts'

/** Tarballs t1.tar to tN.tar of different contents, one of which all have. */
export function tarballs(n: number): string[] {
  const folder = scratch()
  bash(
    `cd "$1"
    for i in $(seq "$2"); do
      mkdir t; seq 40000 > t/shared; seq "$i" 3000 > t/own; head -c "$((i * 1000))" /dev/urandom > t/noise
      tar --sort=name -cf "t$i.tar" t; rm -r t
    done`,
    folder,
    String(n)
  )
  return Array.from({ length: n }, (_, i) => join(folder, `t${i + 1}.tar`))
}

/** Makes a store look old: files of refs, blobs, data, parts, objects and tmp get an earlier time. */
export const age = (root: string, days: number, ...folders: string[]): void => {
  const below = folders.length === 0 ? ['refs', 'blobs', 'data', 'parts', 'objects', 'tmp'] : folders
  bash(
    `cd "$1"; shift; days=$1; shift; find "$@" -type f -exec touch -d "$days days ago" {} +`,
    root,
    String(days),
    ...below
  )
}

/** Files of the store with their sizes, without what is derived, temporary, or a note of a check. */
export function listing(root: string): string[] {
  const visit = (folder: string): string[] =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return visit(path)
      return path.endsWith('.checked') ? [] : [`${path} ${statSync(join(root, path)).size}`]
    })
  return ['refs', 'blobs', 'data', 'parts', 'objects'].flatMap(visit).sort()
}

export const collect = (store: Repository, options: Partial<GcOptions> = {}): Promise<GcReport> =>
  collectGarbage(store, { dryRun: false, graceSeconds: 3600, objects: false, ...options })

/** Checks that nothing in the store is incomplete, and that this module exports the tarball it was made from. */
export async function isWhole(store: Repository, module: string, tar: string, when = ''): Promise<void> {
  assert.equal((await fsck(store)).findings, [], when)
  await comesBack(store, module, tar, when)
}

/** The module is published, and is the tarball that it was made from. */
export async function comesBack(store: Repository, module: string, tar: string, when = ''): Promise<void> {
  const record = readRef(store.root, parseModuleName(module))
  assert.ok(record !== undefined, `${module} is published ${when}`)
  const out = scratch()
  await exportLayers(store, (await readRecord(store, record)).layers, out)
  assert.is(sha256OfFile(join(out, 'layer.tar')), sha256OfFile(tar), `${module} ${when}`)
}
