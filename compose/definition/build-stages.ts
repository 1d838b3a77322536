/** Runs stages, as far as their results are not known, and publishes what the last one becomes. */
import type { Bound } from '../../store/access/index.ts'
import type { ImportModuleReport, SkippedPath } from '../../store/import/index.ts'
import type { ImportSettings, ModuleName, Origin } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { DAG_JSON, formatCid, parseCid, StrataError } from '../../store/values/index.ts'
import { trimCache } from '../cache/index.ts'
import { changedPackages, WorkFolder } from '../capture/index.ts'
import { isWhole, prepareImage } from '../outputs/index.ts'
import { epochOf } from '../sandbox/index.ts'
import {
  boundsOfTarget,
  type CapturedBy,
  composedSettings,
  isVersionOf,
  type PackageDelta
} from '../sources/index.ts'
import type { StageBase } from './imported-base.ts'
import { type BuildingStage, StageBuild } from './stage-build.ts'
import type { DefinitionRequest, StageRecipe, StageSettings, Taken } from './stage-plan.ts'
import { hashOf } from './step.ts'
import { StepCache } from './step-cache.ts'

export interface BuiltStages {
  base: StageBase
  /** The tree, unless what was changed in it is in the store. */
  sources: string[]
  settings: Partial<ImportSettings>
  capture: CapturedBy
  /** Access of all modules that any stage was made of. */
  bounds: Bound[]
}

export interface StagesRequest {
  recipes: StageRecipe[]
  /** What is recorded as the origin. */
  command: string
  /** Of the module that the last stage becomes. */
  name: ModuleName
}

/** The layer that the last stage became. */
interface KnownResult extends PackageDelta {
  layer: string
  taken: Taken
  skipped: SkippedPath[]
}

/** @throws StrataError; then nothing is published */
export async function buildStages(
  store: Repository,
  request: StagesRequest,
  asked: DefinitionRequest,
  publish: (built: BuiltStages) => Promise<ImportModuleReport>
): Promise<ImportModuleReport> {
  const work = new WorkFolder(asked.workFolder)
  const cache = new StepCache(store, asked.usesCache, asked.note)
  try {
    const stages = await openStages(request.recipes, { store, asked, work, cache })
    const report = await publishLast(stages, { ...request, store, asked, cache }, publish)
    if (cache.added > 0) trimCache(asked.cacheBounds)
    work.end(false)
    return report
  } catch (error) {
    const { tree } = work.end(asked.isKept)
    if (tree !== undefined) asked.note(`the trees stay in ${work.path}`)
    throw error
  }
}

async function openStages(
  recipes: StageRecipe[],
  building: Pick<BuildingStage, 'store' | 'asked' | 'work' | 'cache'>
): Promise<StageBuild[]> {
  const stages: StageBuild[] = []
  const others = new Map<string, StageBuild>()
  for (const [i, recipe] of recipes.entries()) {
    const base = await recipe.open(building.work.path)
    const isLast = i === recipes.length - 1
    const stage = new StageBuild(recipe, {
      ...building,
      base,
      others: new Map(others),
      number: i + 1,
      isLast
    })
    for (const name of recipe.names) others.set(name, stage)
    stages.push(stage)
  }
  return stages
}

interface Publishing extends StagesRequest {
  store: Repository
  asked: DefinitionRequest
  cache: StepCache
}

async function publishLast(
  stages: StageBuild[],
  publishing: Publishing,
  publish: (built: BuiltStages) => Promise<ImportModuleReport>
): Promise<ImportModuleReport> {
  const { store, asked, cache, name } = publishing
  const last = stages.at(-1)!
  const bounds: Bound[] = []
  for (const { base, recipe } of stages) bounds.push(...(await boundsOfTarget(store, base, recipe.what)))
  const isVersion = isVersionOf(store, last.base.target.modules, name)
  const key = last.key && hashOf(['result', last.key, isVersion && [name.category, name.name]])
  const known = key === undefined || last.mustRun ? undefined : await findResult(store, cache, key)
  if (known !== undefined) {
    asked.note(`${last.recipe.what}: nothing has changed since it was built`)
    return publish(await withLayer(last, publishing, known, bounds))
  }
  for (const stage of stages) await stage.ensure()
  const built = await withTree(last, publishing, bounds)
  const report = await publish(built).catch(async error => {
    throw refusedResult(error, {
      tree: built.sources[0],
      what: last.recipe.what,
      isKept: await last.keepTree()
    })
  })
  const layer = (await store.readRecord(report.record)).layers.at(-1)!
  const { packages, removed } = built.capture
  const result: KnownResult = {
    layer: formatCid(layer),
    taken: last.taken,
    packages,
    removed,
    skipped: report.skipped
  }
  if (key !== undefined) await cache.write(key, () => Promise.resolve(result))
  return report
}

/** The steps have run, and need not run again for a flag that the refusal asks for. */
function refusedResult(
  error: unknown,
  { tree, what, isKept }: { tree: string; what: string; isKept: boolean }
): unknown {
  if (!(error instanceof StrataError)) return error
  const kept = isKept ? ['the steps are kept, and do not run again'] : []
  return new StrataError(error.code, {
    message: error.message.replaceAll(tree, () => what),
    facts: error.facts,
    hint: [...(error.hint === undefined ? [] : [error.hint]), ...kept].join('; ') || undefined,
    cause: error
  })
}

async function findResult(
  store: Repository,
  cache: StepCache,
  key: string
): Promise<KnownResult | undefined> {
  const known = cache.read<KnownResult>(key)
  if (known === undefined) return undefined
  const layer = parseCid(known.layer, DAG_JSON, 'a kept result')
  return (await isWhole(store, { layers: [layer] })) ? known : undefined
}

async function withLayer(
  { base, plan, recipe }: StageBuild,
  { store, command }: Publishing,
  { layer, taken, packages, removed, skipped }: KnownResult,
  bounds: Bound[]
): Promise<BuiltStages> {
  const { composition, lock } = await prepareImage(store, base.target, {})
  await composition.close()
  return {
    ...{ base, bounds, sources: [] },
    settings: onTop(base, plan.settings(taken), recipe.what),
    capture: {
      ...{ command, packages, removed, bounds, baseOrigins: originsOf(base), mayBeEmpty: true },
      tidying: { scrubs: true },
      stored: { name: recipe.what, lock, layer: parseCid(layer, DAG_JSON, 'a kept result'), skipped }
    }
  }
}

async function withTree(
  stage: StageBuild,
  { asked, command }: Publishing,
  bounds: Bound[]
): Promise<BuiltStages> {
  const { base, plan, taken, recipe } = stage
  const tree = await stage.tree()
  return {
    ...{ base, bounds, sources: [tree] },
    settings: onTop(base, plan.settings(taken), recipe.what),
    capture: {
      ...{ command, bounds, baseOrigins: originsOf(base), mayBeEmpty: true },
      ...changedPackages(tree, asked.note),
      tidying: { scrubs: true, epoch: asked.epoch ?? epochOf(tree) }
    }
  }
}

const originsOf = ({ unnamed }: StageBase): Origin[] => unnamed.flatMap(({ origin }) => origin)

/** Images that are no modules hand their settings on. */
function onTop({ unnamed }: StageBase, settings: StageSettings, source: string): Partial<ImportSettings> {
  const below = composedSettings(unnamed, source)
  return {
    ...below,
    ...settings,
    environment: [...(below.environment ?? []), ...settings.environment],
    labels: { ...below.labels, ...settings.labels }
  }
}
