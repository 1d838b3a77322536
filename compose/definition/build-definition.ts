/** Builds what a definition file says (spec/definitions.md): each stage a tree, of which the last becomes a module. */
import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import type { Bound } from '../../store/access/index.ts'
import { EVERYONE } from '../../store/files/index.ts'
import type { ImportModuleReport } from '../../store/import/index.ts'
import { commonGroups, type ImportSettings, mergeSpec } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { keepPackages, newPackages, recordsOfTree, WorkFolder } from '../capture/index.ts'
import { buildSandbox, type Target } from '../outputs/index.ts'
import type { Bind } from '../run/index.ts'
import { epochOf } from '../sandbox/index.ts'
import {
  boundsOfTree,
  type CapturedBy,
  composedSettings,
  type PublishRequest,
  publishModule
} from '../sources/index.ts'
import { looksLikeDefinition, parseDefinition, type Stage } from './parse-definition.ts'
import { runStage } from './run-stage.ts'
import { type BaseOptions, openBase, type StageBase, unlistedName } from './stage-base.ts'
import { StageValues } from './stage-values.ts'

export interface DefinitionRequest extends Omit<BaseOptions, 'work'> {
  file: string
  /** Values of variables. */
  values: ReadonlyMap<string, string>
  binds: Bind[]
  hasNetwork: boolean
  /** True if %pre and %setup may run on this host. */
  hostScripts: boolean
  runsTests: boolean
  /** Keep the trees if a step fails. */
  isKept: boolean
  workFolder: string
  epoch?: number
  isOutputOfOthers: boolean
  onProgress(what: string, bytes: number): void
}

const MOST_BYTES = 16 << 20
const SNIFFED_CHARACTERS = 65536

/** True for a regular file with the text of a definition. What cannot be read is refused by the reader of sources. */
export function isDefinition(file: string): boolean {
  try {
    const status = statSync(file)
    if (!status.isFile() || status.size > MOST_BYTES) return false
    return looksLikeDefinition(readFileSync(file, 'utf8').slice(0, SNIFFED_CHARACTERS))
  } catch {
    return false
  }
}

interface BuiltDefinition {
  tree: string
  base: StageBase
  settings: Partial<ImportSettings>
  capture: CapturedBy
  /** Access of all modules that this stage, or one before it, was made of. */
  bounds: Bound[]
}

/** Publishes what a definition builds as a module. @throws StrataError; then nothing is published */
export const importDefinition = (
  store: Repository,
  request: PublishRequest,
  asked: DefinitionRequest
): Promise<ImportModuleReport> =>
  withDefinition(store, asked, ({ tree, settings, capture, bounds }) => {
    const redistributable = request.consent?.redistribution ? undefined : mayLeave(bounds)
    return publishModule(store, {
      ...request,
      spec: mergeSpec(request.name, { ...settings, redistributable }, request.spec ?? {}),
      flags: { ...request.flags, sources: [tree] },
      capture
    })
  })

/** What a definition builds, as a target: the modules of its base, and one without a name on top. */
export const definitionTarget = (
  store: Repository,
  request: Pick<PublishRequest, 'names' | 'limits'>,
  asked: DefinitionRequest
): Promise<Target> =>
  withDefinition(store, asked, async ({ base, tree, settings, capture, bounds }) => {
    const named = base.target.modules.filter(({ name }) => name !== undefined)
    const name = unlistedName(basename(asked.file), capture.command)
    const { record } = await publishModule(store, {
      ...request,
      name,
      spec: { ...settings, ...narrowed(bounds, asked.file) },
      flags: { kind: named.length === 0 ? 'base' : 'application', allowPrivileged: true, sources: [tree] },
      ignoreMissing: false,
      replace: false,
      unlisted: true,
      capture
    })
    const { layers } = await store.readRecord(record)
    const made = { name: `${name.category}/${name.name}-${name.version}`, record, layers }
    return { name: asked.file, modules: [...named, made] }
  })

/** Files may be copies of files of any stage, so an image is only for users whom the modules of all stages admit. */
function narrowed(bounds: Bound[], file: string): Pick<ImportSettings, 'accessGroups' | 'redistributable'> {
  const limited = bounds.flatMap(({ what, access }) => (access === EVERYONE ? [] : [{ what, access }]))
  const groups = limited.map(({ access }) => access.map(gid => ({ gid })))
  return {
    accessGroups: commonGroups(
      groups,
      file,
      limited.map(({ what }) => what)
    ),
    redistributable: mayLeave(bounds)
  }
}

/** Undefined if no module says that it must not leave the site. */
const mayLeave = (bounds: Bound[]): false | undefined =>
  bounds.some(({ redistributable }) => !redistributable) ? false : undefined

async function withDefinition<T>(
  store: Repository,
  asked: DefinitionRequest,
  use: (built: BuiltDefinition) => Promise<T>
): Promise<T> {
  await store.assertWritable()
  const { file } = asked
  const text = readFileSync(file, 'utf8')
  const stages = parseDefinition(text, file)
  const work = new WorkFolder(asked.workFolder)
  try {
    const used = new Set<string>()
    const trees = new Map<string, string>()
    let built: BuiltDefinition | undefined
    for (const [number, stage] of stages.entries()) {
      const values = new StageValues(stage, asked.values, file)
      built = await buildStage(store, stage, values, {
        ...{ asked, work, number, trees, text },
        before: built?.bounds ?? []
      })
      if (stage.name !== undefined) trees.set(stage.name, built.tree)
      for (const name of values.used) used.add(name)
    }
    for (const name of asked.values.keys())
      if (!used.has(name)) asked.note(`--build-arg ${name} is not used by ${file}`)
    const result = await use(built!)
    work.end(false)
    return result
  } catch (error) {
    const { tree } = work.end(asked.isKept)
    if (tree !== undefined) asked.note(`the trees stay in ${work.path}`)
    throw error
  }
}

interface Building {
  asked: DefinitionRequest
  work: WorkFolder
  number: number
  trees: ReadonlyMap<string, string>
  text: string
  /** Bounds of the stages before. */
  before: Bound[]
}

async function buildStage(
  store: Repository,
  stage: Stage,
  values: StageValues,
  { asked, work, number, trees, text, before }: Building
): Promise<BuiltDefinition> {
  const base = await openBase(store, stage, values, asked.file, { ...asked, work: work.path })
  const tree = work.treeOf(`stage-${number + 1}`)
  await buildSandbox(store, base.target, {
    directory: tree,
    verify: false,
    recordOnly: false,
    forCapture: true,
    onProgress: bytes => asked.onProgress('tree', bytes)
  })
  keepPackages(tree)
  const what = stage.name === undefined ? asked.file : `stage ${stage.name} of ${asked.file}`
  const own = await boundsOfTree(store, tree, base.unnamed, what) // before a script can change the tree's lock
  const epoch = asked.epoch ?? epochOf(tree)
  const records = [...base.unnamed, ...(await recordsOfTree(tree))]
  const settings = await runStage({
    ...asked,
    ...{ stage, values, tree, others: trees, work: work.path, records, epoch }
  })
  const below = composedSettings(base.unnamed, asked.file)
  return {
    ...{ tree, base, bounds: [...before, ...own] },
    settings: {
      ...below,
      ...settings,
      environment: [...(below.environment ?? []), ...settings.environment],
      labels: { ...below.labels, ...settings.labels }
    },
    capture: {
      command: recipeOf(text, asked.values),
      tidying: { scrubs: true, epoch },
      packages: newPackages(tree),
      mayBeEmpty: true,
      bounds: before
    }
  }
}

/** The definition in full, and the values that were given. */
function recipeOf(text: string, values: ReadonlyMap<string, string>): string {
  const given = [...values].sort().map(([name, value]) => `# --build-arg ${name}=${value}\n`)
  return given.length === 0 ? text : `${given.join('')}${text}`
}
