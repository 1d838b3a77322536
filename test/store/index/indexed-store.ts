import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { databaseFolders } from '../../../store/index/database-folder.ts'
import { FACTS } from '../../../store/index/facts-keys.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'

export const LOOK_UP = fileURLToPath(new URL('../../helpers/look-up.js', import.meta.url))

/** A tarball made by GNU tar of files whose content is their path; a path that ends with `/` is a directory. */
export function tarballOf(paths: Record<string, string>): string {
  const folder = scratch()
  const tree = join(folder, 'tree')
  mkdirSync(tree)
  for (const [path, content] of Object.entries(paths)) {
    const full = join(tree, path)
    mkdirSync(path.endsWith('/') ? full : dirname(full), { recursive: true })
    if (!path.endsWith('/')) bash('printf %s "$2" > "$1"', full, content)
  }
  const tar = join(folder, 'layer.tar')
  execFileSync('tar', ['--mtime=@0', '-cf', tar, '-C', tree, ...readdirSync(tree)])
  return tar
}

export interface IndexedStore {
  store: Repository
  index: string
  look(question: string, what?: string): unknown
}

/** Three modules in a store; one of them of two layers, of which the upper hides parts of the lower. */
export async function indexedStore(): Promise<IndexedStore> {
  const store = await newStore()
  await importInto(store, 'mpi/openmpi-4.1.6', [
    tarballOf({ 'opt/ompi/bin/mpirun': 'o', 'opt/ompi/lib/a.so': 'so' })
  ])
  await importInto(store, 'mpi/mpich-4.2', [tarballOf({ 'usr/bin/mpirun': 'm', 'usr/bin/xmpirun': 'x' })])
  await importInto(store, 'apps/two-1.0', [
    tarballOf({
      'bin/mpirun': 'low',
      'old/bin/mpirun': 'low',
      'opaque/bin/mpirun': 'low',
      'kept/bin/mpirun': 'k'
    }),
    tarballOf({
      'bin/.wh.mpirun': '',
      'old/bin': 'a file',
      'opaque/.wh..wh..opq': '',
      'kept/bin/other': 'so'
    })
  ])
  return {
    store,
    index: join(store.root, 'index'),
    look: (...words) =>
      lookUp(
        store.root,
        words.filter(word => word !== undefined)
      )
  }
}

export const PROVIDERS = {
  providers: [
    'apps/two-1.0 kept/bin/mpirun file',
    'mpi/mpich-4.2 usr/bin/mpirun file',
    'mpi/openmpi-4.1.6 opt/ompi/bin/mpirun file'
  ],
  unsearched: []
}

export interface LookUpOptions {
  /** User to run as; needs root. */
  uid?: number
  /** Words before `node`. */
  prefix?: string[]
}

/** In another process; the test fails with what it said on standard error when it does not end well. */
export function lookUp(root: string, words: string[], { uid, prefix = [] }: LookUpOptions = {}): unknown {
  const [command, ...args] = [...prefix, process.execPath, LOOK_UP, root, ...words]
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 60_000,
    ...(uid !== undefined && { uid, gid: uid })
  })
  if (status !== 0) throw new Error(`look-up of ${words.join(' ')}: status ${status}\n${stderr}`)
  return JSON.parse(stdout)
}

/** Every file below, with its times of change and content: what a reader must leave alone. */
export const stateOf = (folder: string): string =>
  bash(
    'cd "$1"; find . -printf "%p %i %C@ %s\\n" | sort; find . -type f | sort | xargs -d "\\n" sha256sum',
    folder
  ).toString()

export const databaseOf = ({ store }: IndexedStore): string =>
  join(store.root, databaseFolders(store.root, FACTS)[0].path)

export const removeIndex = ({ index }: IndexedStore): void => rmSync(index, { recursive: true, force: true })
