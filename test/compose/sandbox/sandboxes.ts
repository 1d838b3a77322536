/**
 * Layers, sandboxes and their edits by the public functions, in this process or as another user:
 * `node sandboxes.js JSON` does one thing and prints what came of it.
 */

import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mergeLayers } from '../../../compose/merge/merge-layers.ts'
import type { MergedTree } from '../../../compose/merge/merged-tree.ts'
import type { StackLayer } from '../../../compose/merge/stack.ts'
import { treeDigest } from '../../../compose/merge/tree-digest.ts'
import {
  type ReadSandboxOptions,
  readSandbox,
  type SandboxEdits
} from '../../../compose/sandbox/read-sandbox.ts'
import {
  type SandboxOptions,
  type SandboxReport,
  writeSandbox
} from '../../../compose/sandbox/write-sandbox.ts'
import { IdNames } from '../../../store/accounts/id-names.ts'
import type { Attributes } from '../../../store/acl/attribute.ts'
import type { LayerObject } from '../../../store/contents/object-store.ts'
import { initStore } from '../../../store/files/store.ts'
import { importLayer } from '../../../store/import/import-layer.ts'
import { openObject } from '../../../store/import/layer-object.ts'
import { AS_IT_IS } from '../../../store/import/placement.ts'
import { readSource } from '../../../store/input/read-source.ts'
import type { DataSource } from '../../../store/object/data-source.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { UNLIMITED } from '../../../store/values/limits.ts'
import type { PathBytes } from '../../../store/values/path-bytes.ts'
import { bash, type RealNode, realTree } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'

export const NOBODY = 65534

let store: Repository | undefined
const opened: LayerObject[] = []

async function ownStore(): Promise<Repository> {
  if (store === undefined) {
    const root = join(scratch(), 'store')
    await initStore(root, { compressor: 'zstd', level: 1, blockSize: 131072 })
    store = await openRepository({ store: root })
  }
  return store
}

export interface Tarball {
  chunks: AsyncIterable<Uint8Array>
  attributes?: Map<PathBytes, Attributes>
}

/** A tarball through the store, as `compose import` takes it. */
export async function layerOf(tar: string | Tarball): Promise<LayerObject> {
  const source = typeof tar === 'string' ? { chunks: readSource(tar) } : tar
  const options = {
    names: new IdNames(),
    limits: UNLIMITED,
    placement: AS_IT_IS,
    ignoreMissing: false,
    allowPrivileged: true
  }
  const target = await ownStore()
  const { id } = await importLayer(target, { name: 'layer', ...source }, options)
  const layer = await openObject(target, id)
  opened.push(layer) // a collected handle would close the descriptor
  return layer
}

export interface Stack {
  tree: MergedTree
  sources: DataSource[]
}

/** Layers of one module, and a captured one if there is one. */
export function stackOf(layers: LayerObject[], captured?: LayerObject): Stack {
  const all = captured === undefined ? layers : [...layers, captured]
  const stack = all.map(
    (layer, i): StackLayer => ({
      index: layer.index,
      module: i < layers.length ? 0 : 1,
      name: i < layers.length ? 'm-1' : 'captured',
      role: i < layers.length ? 'module' : 'captured'
    })
  )
  return { tree: mergeLayers(stack), sources: all.map(({ data }) => data.parts) }
}

/** Threads write as well, which they do in trees of some MiB. */
export async function write(
  tars: string[],
  target: string,
  options: Partial<SandboxOptions> = {}
): Promise<SandboxReport> {
  const { tree, sources } = stackOf(await Promise.all(tars.map(tar => layerOf(tar))))
  return writeSandbox(tree, sources, target, {
    lock: JSON.stringify(tars),
    bytesWithoutThread: 0,
    ...options
  })
}

export interface Rebuilt extends Stack {
  edits: SandboxEdits
}

/** The tree that an edited sandbox stands for, and the edits. */
export async function rebuild(
  tars: string[],
  target: string,
  options: ReadSandboxOptions = {}
): Promise<Rebuilt> {
  const layers = await Promise.all(tars.map(tar => layerOf(tar)))
  const edits = readSandbox(target, options)
  if (edits.captured === undefined) return { ...stackOf(layers), edits }
  const captured = await layerOf({ chunks: edits.captured.tar, attributes: edits.captured.attributes })
  return { ...stackOf(layers, captured), edits }
}

export interface Job {
  do: 'write' | 'read'
  tars: string[]
  target: string
  options?: Partial<SandboxOptions>
  umask?: number
}

/** The tree digest of what a sandbox stands for, and of what it was written from. */
export interface Digests {
  before: string
  after: string
  captured: boolean
  edits: Pick<SandboxEdits, 'added' | 'changed' | 'deleted' | 'unprivileged' | 'applied'>
}

async function run(job: Job): Promise<unknown> {
  if (job.umask !== undefined) process.umask(job.umask)
  if (job.do === 'write') return write(job.tars, job.target, job.options)
  const { tree, edits } = await rebuild(job.tars, job.target)
  const { added, changed, deleted, unprivileged, applied, captured } = edits
  return {
    before: edits.treeDigest.toString('hex'),
    after: treeDigest(tree).toString('hex'),
    captured: captured !== undefined,
    edits: { added, changed, deleted, unprivileged, applied }
  }
}

/** In a process of this user. Fails with the code of the error. */
export function as<T>(uid: number, job: Job): T {
  const script = fileURLToPath(import.meta.url)
  const out = execFileSync(process.execPath, [script, JSON.stringify(job)], {
    uid,
    gid: uid,
    cwd: '/',
    env: { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 26
  })
  return JSON.parse(out)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const report = await run(JSON.parse(process.argv[2]))
  process.stdout.write(JSON.stringify(report))
}

/** A folder in which every user can make and read things. */
export function publicFolder(): string {
  const folder = scratch()
  chmodSync(folder, 0o1777)
  return folder
}

/** A tarball of what a script makes in an empty directory. */
export function tarOf(script: string, folder = publicFolder()): string {
  const tree = join(folder, 'tree')
  const tar = join(folder, 'layer.tar')
  mkdirSync(tree)
  bash(
    `cd "$1"; umask 022; ${script}
    tar --format=pax --xattrs --xattrs-include='*' --acls --numeric-owner --sort=name -cf "$2" .`,
    tree,
    tar
  )
  chmodSync(tar, 0o644)
  return tar
}

/** Everything that a layer can hold. */
export const RICH = `
  mkdir -p usr/bin opt/app/deep dev etc shared tmp
  echo plain >etc/plain; chmod 644 etc/plain
  echo secret >etc/shadow; chmod 640 etc/shadow; chown 0:42 etc/shadow
  echo su >usr/bin/su; chmod 4755 usr/bin/su
  echo wall >usr/bin/wall; chown 0:5 usr/bin/wall; chmod 2755 usr/bin/wall
  echo ping >usr/bin/ping; chmod 755 usr/bin/ping
  setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 usr/bin/ping
  ln usr/bin/su opt/app/su-link; ln usr/bin/su opt/app/deep/su-link
  ln -s ../etc/plain usr/link; ln -s /etc/passwd etc/absolute; ln -s nowhere etc/dangling
  chown -h 7:8 usr/link; ln etc/dangling etc/dangling-link
  mknod dev/null c 1 3; chmod 666 dev/null; mknod dev/big b 300 70000; mkfifo dev/fifo; chown 9:9 dev/fifo
  ln dev/null dev/null-link
  chmod 1777 tmp; chown 1000:1000 opt/app; chmod 2775 shared; chown 0:100 shared
  echo acl >opt/app/acl; chmod 660 opt/app/acl; setfacl -m u:12345:rw-,g::---,g:23456:r-- opt/app/acl
  setfacl -m u:12345:rwx,d:u:12345:rwx,d:g::r-x opt/app/deep
  setfacl -d -m u::rwx,g::r-x,o::--- shared
  echo tagged >opt/app/tagged; setfattr -n user.note -v "a b" opt/app/tagged
  setfattr -n user.binary -v 0x00ff0a80 opt/app/tagged; setfattr -n trusted.t -v 0x00ff opt/app/tagged
  setfattr -h -n trusted.on-link -v x usr/link; setfattr -n user.dir -v d opt/app
  printf 'x' >"$(printf 'etc/caf\\351')"; echo nl >"$(printf 'etc/a\\nb')"
  truncate -s 5M opt/app/sparse; printf end >>opt/app/sparse
  head -c 700000 /dev/urandom >opt/app/big; head -c 131072 /dev/zero >opt/app/zeros; : >etc/empty
  chmod 000 etc/empty; mkdir opt/closed; chmod 500 opt/closed; echo in >opt/x; mv opt/x opt/closed/in
  find . -mindepth 1 -exec touch -hd '2021-03-04 05:06:07.123456789 UTC' {} +
  touch -d '1960-01-01 00:00:00.5 UTC' etc/plain; touch -d '2200-01-01 UTC' etc/shadow
  touch -d '2020-01-01 UTC' .`

export interface Listing {
  nodes: Record<PathBytes, Omit<RealNode, 'inode' | 'mtimeNs'> & { mtime: string; links: PathBytes[] }>
  acls: string
  attributes: string
}

/** A directory as independent programs list it, without `.compose`. */
export function listingOf(directory: string): Listing {
  const tree = [...realTree(directory)].filter(
    ([path]) => path !== '.compose' && !path.startsWith('.compose/')
  )
  const ofInode = new Map<bigint, PathBytes[]>()
  for (const [path, { inode }] of tree.sort(([a], [b]) => (a < b ? -1 : 1)))
    ofInode.set(inode, [...(ofInode.get(inode) ?? []), path])
  const nodes = tree.map(([path, { inode, mtimeNs, ...node }]) => [
    path,
    { ...node, mtime: `${mtimeNs}`, links: ofInode.get(inode)! }
  ])
  const paths = `cd "$1"; find . -path ./.compose -prune -o -print0 | sort -z`
  return {
    nodes: Object.fromEntries(nodes),
    acls: bash(`${paths} | xargs -0 getfacl -nP`, directory).toString('latin1'),
    attributes: bash(`${paths} | xargs -0 getfattr -hd -m - -e hex`, directory).toString('latin1')
  }
}

export function saveTar(bytes: Buffer): string {
  const path = join(publicFolder(), 'made.tar')
  writeFileSync(path, bytes)
  return path
}
