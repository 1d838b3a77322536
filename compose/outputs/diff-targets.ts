/** `compose diff`: compares two trees of any kind by package, by module and by path. */

import type { Repository } from '../../store/repository/index.ts'
import { formatCid } from '../../store/values/index.ts'
import {
  describeImage,
  diffTrees,
  findInImage,
  hasFile,
  imageAsLayer,
  isImage,
  type OpenImage,
  openImage,
  type PathDifference,
  readImageFile
} from '../inspect/index.ts'
import { type MergedTree, mergeLayers } from '../merge/index.ts'
import { generatedPaths } from '../runtime-files/index.ts'
import { type ChosenModule, mergeParameters } from '../stack/index.ts'
import { openComposition } from './composition.ts'
import { type ComparedPackages, comparePackages, type ReadTree } from './package-differences.ts'
import { type OpenSandbox, resolveTarget, type Target } from './resolve-target.ts'
import { readTreeFile, tooLarge } from './tree-file.ts'

export interface ModuleDifference {
  name: string
  /** Id of the record, or ids of the layers if there is none; undefined if the module is missing. */
  left?: string
  right?: string
}

export interface DiffReport extends ComparedPackages {
  modules: ModuleDifference[]
  paths: PathDifference[]
}

export interface DiffTargetsOptions {
  openStore(): Promise<Repository>
  openSandbox(store: Repository): OpenSandbox
  times: boolean
  modulesOnly: boolean
}

/** A tree to compare, its files and its modules. */
interface Side {
  modules: ChosenModule[]
  tree: MergedTree
  read: ReadTree
  close(): Promise<void>
}

/** @throws StrataError as build and inspect do */
export async function diffTargets(a: string, b: string, options: DiffTargetsOptions): Promise<DiffReport> {
  const left = await openSide(a, options)
  try {
    const right = await openSide(b, options)
    try {
      const { times, modulesOnly } = options
      return {
        ...(modulesOnly ? { packages: [], unreadPackages: [] } : comparePackages(left.read, right.read)),
        modules: moduleDifferences(left.modules, right.modules),
        paths: modulesOnly ? [] : [...diffTrees(left.tree, right.tree, { times })]
      }
    } finally {
      await right.close()
    }
  } finally {
    await left.close()
  }
}

async function openSide(word: string, options: DiffTargetsOptions): Promise<Side> {
  return isImage(word) ? openImageSide(word) : openTargetSide(word, options)
}

/** The files of an image that modules brought. Files for runtimes are in every image, so they are left out. */
async function openImageSide(path: string): Promise<Side> {
  const image = await openImage(path)
  try {
    const description = describeImage(image)
    const leaveOut =
      description === undefined ? () => false : generatedPaths(readImageFile(image, '.compose/owners'))
    const index = imageAsLayer(image, leaveOut)
    const tree = mergeLayers([{ index, module: 0, name: path, role: 'module' }])
    return {
      modules: description?.lock.modules ?? [],
      tree,
      read: readerOf(image),
      close: () => image.close()
    }
  } catch (error) {
    await image.close()
    throw error
  }
}

const readerOf =
  (image: OpenImage): ReadTree =>
  path => {
    if (!hasFile(image, path)) return undefined
    const { sizeBytes } = findInImage(image, path, { followLast: true }).file!
    return tooLarge(path, sizeBytes) ?? readImageFile(image, path, { followLast: true })
  }

async function openTargetSide(word: string, options: DiffTargetsOptions): Promise<Side> {
  const store = await options.openStore()
  const target: Target = /\.ya?ml$/.test(word)
    ? await resolveTarget(store, [], word, options.openSandbox(store))
    : await resolveTarget(store, [word], word, options.openSandbox(store))
  const { profile, ...parameters } = target.lock?.parameters ?? {
    profile: store.profile,
    onConflict: 'upper' as const
  }
  const composition = await openComposition(store, target.modules, profile, mergeParameters(parameters))
  return {
    modules: target.modules,
    tree: composition.tree,
    read: path => readTreeFile(composition, path),
    close: composition.close
  }
}

function moduleDifferences(left: ChosenModule[], right: ChosenModule[]): ModuleDifference[] {
  const [a, b] = [left, right].map(modules => new Map(modules.map(module => [nameOf(module), idOf(module)])))
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter(name => a.get(name) !== b.get(name))
    .map(name => ({ name, left: a.get(name), right: b.get(name) }))
}

/** Two versions of a module count as the same module. */
const nameOf = ({ name, captured }: ChosenModule): string =>
  name ?? (captured ? 'changes in a sandbox' : 'bare layers')

const idOf = ({ record, layers }: ChosenModule): string =>
  record === undefined ? layers.map(formatCid).join(' ') : formatCid(record)
