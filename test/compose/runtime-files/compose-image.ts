import { linkImage } from '../../../compose/link/link-image.ts'
import { mergeLayers } from '../../../compose/merge/merge-layers.ts'
import type { MergedTree } from '../../../compose/merge/merged-tree.ts'
import { generatedEntries } from '../../../compose/runtime-files/generated-entries.ts'
import type { GeneratedEntry } from '../../../compose/runtime-files/generated-entry.ts'
import { generatedLayer } from '../../../compose/runtime-files/generated-layer.ts'
import { parseModuleName } from '../../../store/module/name.ts'
import { encodeRecord, type ModuleRecord } from '../../../store/module/record.ts'
import { manifestCid } from '../../../store/values/digest.ts'
import { type Compiled, compile, keepMode, PROFILE, stackOf } from '../helpers/compile.ts'

/** A module of one layer. */
export interface TestModule {
  /** Bare layers have none. */
  name?: string
  /** A path or bytes; nothing at all when left out. */
  tar?: string | Buffer
  record?: Partial<ModuleRecord>
}

export interface TestStack {
  /** The tree of the modules alone. */
  tree: MergedTree
  entries: GeneratedEntry[]
  /** The tree with generated files. */
  merged: MergedTree
  writeImage(target: string): Promise<void>
  close(): Promise<void>
}

const EMPTY_TAR = Buffer.alloc(10240)

export async function composeStack(modules: TestModule[], profile = PROFILE): Promise<TestStack> {
  const compiled: Compiled[] = []
  for (const { tar = EMPTY_TAR } of modules) compiled.push(await compile(tar, profile))
  const layers = stackOf(compiled.map((layer, i) => ({ ...layer, name: modules[i].name })))
  const tree = mergeLayers(layers)
  const entries = generatedEntries({
    modules: modules.map(imageModule),
    lock: '{"strata":"lock"}\n',
    layerList: 'layer record name\n',
    tree
  })
  const generated = await generatedLayer(entries, profile)
  const top = {
    index: generated.index,
    module: modules.length,
    name: 'generated',
    role: 'generated' as const
  }
  const merged = mergeLayers([...layers, top])
  return {
    tree,
    entries,
    merged,
    writeImage: async target => {
      const data = [...compiled.map(layer => layer.data), generated.data]
      await linkImage(merged, data, { target, modeOf: keepMode, sync: false })
    },
    close: async () => {
      for (const layer of compiled) await layer.close()
    }
  }
}

export const layerId = (name: string) => manifestCid(Buffer.from(`layer of ${name}`))

function imageModule({ name, record }: TestModule) {
  if (name === undefined) return { layers: [layerId('nobody')] }
  const full = recordOf(name, record)
  const recordBytes = encodeRecord(full)
  return { name, record: full, recordBytes, recordId: manifestCid(recordBytes), layers: full.layers }
}

export const recordOf = (name: string, fields: Partial<ModuleRecord> = {}): ModuleRecord => ({
  ...parseModuleName(name),
  kind: 'library',
  layers: [layerId(name)],
  requires: [],
  conflicts: [],
  environment: [],
  accessGroups: [],
  labels: {},
  redistributable: true,
  replaces: [],
  allowPrivileged: false,
  hidden: false,
  origin: [],
  ...fields
})

/** Content of a generated file as text. */
export function textOf(entries: GeneratedEntry[], path: string): string {
  const found = entries.find(entry => entry.path === path)
  if (found?.content === undefined) throw new Error(`${path} is not among the generated files`)
  return Buffer.from(found.content).toString()
}
