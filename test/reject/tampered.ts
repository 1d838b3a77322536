/** A small store that was published in properly, copied for each case and then tampered with. */

import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { buildSandbox } from '../../compose/outputs/build-sandbox.ts'
import { readRecord } from '../../store/contents/read-record.ts'
import { initStore } from '../../store/files/store.ts'
import { dataPath, indexPath } from '../../store/files/store-layout.ts'
import { fsck } from '../../store/fsck/check-store.ts'
import { parseModuleName } from '../../store/module/name.ts'
import { readRef } from '../../store/module/ref-file.ts'
import { openRepository } from '../../store/repository/open-repository.ts'
import type { Repository } from '../../store/repository/repository.ts'
import { sha256Of } from '../../store/values/digest.ts'
import { StrataError } from '../../store/values/errors.ts'
import { scratch } from '../helpers/scratch.ts'
import { importInto, QUICK } from '../helpers/stores.ts'
import { file, header } from '../helpers/tar-make.ts'
import { described, directory, tar } from './make.ts'
import type { Room } from './room.ts'

const NAME = 'app/target-1'
const FILES = ['data', 'recipe', 'index', 'sidecar', 'layer', 'record', 'ref', 'storeFile'] as const
export type StoreFile = (typeof FILES)[number]

export interface Tampered {
  root: string
  /** Absolute paths in the copy. */
  files: Record<StoreFile, string>
  room: Room
}

interface Template {
  root: string
  /** Relative to the store. */
  files: Record<StoreFile, string>
}

let template: Promise<Template> | undefined

async function makeTemplate(): Promise<Template> {
  const root = join(scratch(), 'template')
  await initStore(root, QUICK)
  const store = await openRepository({ store: root, path: '' })
  const source = join(scratch(), 'app.tar')
  const named = 'user::rw-,user:77:rw-,group::r--,mask::rw-,other::r--'
  const marked = described({ 'SCHILY.acl.access': named, 'SCHILY.xattr.user.a': 'x' }, 'd/marked', 'm', {
    mode: '0000664\0'
  })
  const large = 'line of text\n'.repeat(15_000)
  writeFileSync(
    source,
    tar(directory('d/'), marked, file('d/large', large), header({ name: 'l', type: '2', linkName: 'd' }))
  )
  const { record, layers } = await importInto(store, NAME, [source])
  const [{ id, manifest }] = layers
  const blob = (hex: string, ending = '') => `blobs/sha256/${hex.slice(0, 2)}/${hex.slice(2)}${ending}`
  return {
    root,
    files: {
      data: dataPath(sha256Of(manifest.tar), QUICK),
      recipe: blob(sha256Of(manifest.tar), '.recipe'),
      index: indexPath(sha256Of(id), QUICK),
      sidecar: blob(sha256Of(manifest.sidecar!)),
      layer: blob(sha256Of(id)),
      record: blob(sha256Of(record)),
      ref: 'refs/modules/app/target/1',
      storeFile: 'store.json'
    }
  }
}

/** A copy of the template, with everybody's modes as they were. */
export async function tamperedStore(room: Room): Promise<Tampered> {
  template ??= makeTemplate()
  const { root: from, files } = await template
  const root = room.file('tampered')
  execFileSync('cp', ['-a', from, root])
  const absolute = Object.fromEntries(FILES.map(name => [name, join(root, files[name])]))
  return { root, files: absolute as Tampered['files'], room }
}

/** New bytes for a published file, its mode as before. */
export function rewrite(
  path: string,
  change: ((bytes: Buffer) => Uint8Array) | ((bytes: Buffer) => void)
): void {
  const bytes = readFileSync(path)
  const changed = change(bytes) ?? bytes
  unlinkSync(path)
  writeFileSync(path, changed)
  chmodSync(path, 0o444)
}

export function swap(one: string, other: string): void {
  renameSync(one, `${one}.swapped`)
  renameSync(other, one)
  renameSync(`${one}.swapped`, other)
}

/** Content of the module's tree; any other content of a build is a fault. */
const GOOD = { marked: 'm', large: 195_000 }

/**
 * Reading the store gives the module as it was or a refusal, never something else; fsck says what is wrong.
 * @param mayBeRead whether a build may go well all the same
 */
export async function useTampered({ root, room }: Tampered): Promise<void> {
  const store = await openRepository({ store: root, path: '' })
  const failure = await buildFrom(store, room)
  if (failure !== undefined) assert.instance(failure, StrataError, `the build threw ${failure?.stack}`)
  const { findings } = await fsck(store)
  assert.ok(findings.length > 0, 'fsck finds nothing')
  if (failure !== undefined) throw failure
}

async function buildFrom(store: Repository, room: Room): Promise<Error | undefined> {
  try {
    const record = readRef(store.root, parseModuleName(NAME))
    assert.ok(record, 'no ref')
    const { layers } = await readRecord(store, record)
    const target = { name: NAME, modules: [{ name: NAME, record, layers }] }
    await buildSandbox(store, target, { directory: room.target, verify: true, recordOnly: true })
  } catch (error) {
    return error as Error
  }
  assert.is(readFileSync(join(room.target, 'd/marked'), 'utf8'), GOOD.marked)
  assert.is(readFileSync(join(room.target, 'd/large')).length, GOOD.large)
  return undefined
}
