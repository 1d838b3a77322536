import { closeSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { ModeOf } from '../../../compose/link/image-modes.ts'
import { type LinkReport, linkImage } from '../../../compose/link/link-image.ts'
import { mergeLayers } from '../../../compose/merge/merge-layers.ts'
import type { MergedTree } from '../../../compose/merge/merged-tree.ts'
import type { LayerRole, MergeOptions, StackLayer } from '../../../compose/merge/stack.ts'
import { IdNames } from '../../../store/accounts/id-names.ts'
import { compileTar, type TarInput } from '../../../store/import/compile-tar.ts'
import { MarksCollector, marksOnTree } from '../../../store/import/marks-collector.ts'
import type { PartFiles } from '../../../store/import/part-files.ts'
import { AS_IT_IS, inodeFinder } from '../../../store/import/placement.ts'
import { readSource } from '../../../store/input/read-source.ts'
import { buildIndex } from '../../../store/object/index-builder.ts'
import { decodeIndex, encodeIndex, type LayerIndex } from '../../../store/object/layer-index.ts'
import { UNLIMITED } from '../../../store/values/limits.ts'
import type { Profile } from '../../../store/values/profile.ts'
import { scratch } from '../../helpers/scratch.ts'

/** Quick to pack: what a level does to sizes is no matter here. */
export const PROFILE: Profile = { compressor: 'zstd', level: 1, blockSize: 131072 }

export interface Compiled {
  index: LayerIndex
  /** Data file: a descriptor, or the bytes where the archive came in memory. */
  data: number | Uint8Array
  close(): Promise<void>
}

let storeRoot: string | undefined

/** A tarball, a path or bytes, through the compiler that import uses. */
export async function compile(
  tar: string | Buffer,
  profile = PROFILE,
  { hasLower }: Pick<TarInput, 'hasLower'> = {}
): Promise<Compiled> {
  if (storeRoot === undefined) {
    storeRoot = scratch()
    mkdirSync(join(storeRoot, 'tmp'))
  }
  const names = new IdNames()
  const collector = new MarksCollector(names, UNLIMITED)
  const name = typeof tar === 'string' ? tar : 'archive'
  const compiled = await compileTar(storeRoot, profile, {
    name,
    chunks: typeof tar === 'string' ? readSource(tar) : chunksOf(tar),
    limits: UNLIMITED,
    placement: AS_IT_IS,
    hasLower,
    onEntry: entry => collector.addEntry(entry, name)
  })
  const locate = inodeFinder(compiled.tree, AS_IT_IS)
  const marks = marksOnTree(collector.entries(compiled.tree, locate), locate, name)
  const index = decodeIndex(encodeIndex(buildIndex(compiled.tree, marks, compiled.data, profile)))
  const { dataFiles, recipeFile } = compiled
  const close = async () => {
    await dataFiles.discard()
    await recipeFile.discard()
  }
  if (typeof tar === 'string') {
    const path = join(storeRoot, 'tmp', `data-${compiled.digest}`)
    const data = openSync(path, 'w+')
    unlinkSync(path)
    for (const bytes of partsOf(storeRoot, dataFiles)) writeSync(data, bytes)
    await close()
    return { index, data, close: async () => closeSync(data) }
  }
  const data = Buffer.concat([...partsOf(storeRoot, dataFiles)])
  await close()
  return { index, data, close: async () => {} }
}

/** The bytes of each part, whose file may begin with zeros. */
export function* partsOf(storeRoot: string, { parts }: PartFiles): Generator<Buffer> {
  for (const { file, lengthBytes } of parts) {
    const bytes = readFileSync(join(storeRoot, file.path))
    yield bytes.subarray(bytes.length - lengthBytes)
  }
}

async function* chunksOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** A layer for `stackOf`. By default each layer is a module of its own. */
export interface StackPart extends Compiled {
  module?: number
  name?: string
  role?: LayerRole
  replaces?: StackLayer['replaces']
}

export const stackOf = (parts: StackPart[]): StackLayer[] =>
  parts.map(({ index, module, name, role = 'module', replaces }, i) => ({
    index,
    module: module ?? i,
    name: name ?? `m${module ?? i}-1`,
    role,
    replaces
  }))

/** All layers in one module: OCI rules. */
export const asOneModule = (compiled: Compiled[]): StackPart[] =>
  compiled.map(layer => ({ ...layer, module: 0 }))

/** `group::` and mask, the plainest rule. */
export const keepMode: ModeOf = mode => mode

export async function buildImage(
  parts: StackPart[],
  target: string,
  options: MergeOptions & { modeOf?: ModeOf } = {}
): Promise<{ tree: MergedTree; report: LinkReport }> {
  const tree = mergeLayers(stackOf(parts), options)
  const data = parts.map(part => part.data)
  const report = await linkImage(tree, data, { target, modeOf: options.modeOf ?? keepMode, sync: false })
  return { tree, report }
}
