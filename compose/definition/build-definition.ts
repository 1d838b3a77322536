/** Builds what a definition file says (spec/definitions.md): each stage a tree, of which the last becomes a module. */
import { basename } from 'node:path'
import type { Bound } from '../../store/access/index.ts'
import { EVERYONE } from '../../store/files/index.ts'
import type { ImportModuleReport } from '../../store/import/index.ts'
import {
  commonGroups,
  formatModuleName,
  type ImportSettings,
  type ModuleName,
  mergeSpec
} from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import type { Target } from '../outputs/index.ts'
import { type PublishRequest, publishModule } from '../sources/index.ts'
import { type BuiltStages, buildStages } from './build-stages.ts'
import { readDefinition } from './definition-text.ts'
import { dockerRecipes } from './dockerfile.ts'
import { unlistedName } from './imported-base.ts'
import { parseDefinition } from './parse-definition.ts'
import { looksLikeDockerfile } from './parse-dockerfile.ts'
import { looksLikeSspec } from './parse-sspec.ts'
import { sspecRecipes } from './plan-sspec.ts'
import { planStage } from './plan-stage.ts'
import { openBase } from './stage-base.ts'
import type { DefinitionRequest, StageRecipe } from './stage-plan.ts'
import { StageValues } from './stage-values.ts'

/** Publishes what a definition builds as a module. @throws StrataError; then nothing is published */
export const importDefinition = (
  store: Repository,
  request: PublishRequest,
  asked: DefinitionRequest
): Promise<ImportModuleReport> =>
  withDefinition(store, asked, request.name, ({ sources, settings, capture, bounds }) => {
    const redistributable = request.consent?.redistribution ? undefined : mayLeave(bounds)
    return publishModule(store, {
      ...request,
      spec: mergeSpec(request.name, { ...settings, redistributable }, request.spec ?? {}),
      flags: { ...request.flags, sources },
      capture
    })
  })

/** What a definition builds, as a target: the modules of its base, and one without a name on top. */
export async function definitionTarget(
  store: Repository,
  request: Pick<PublishRequest, 'names' | 'limits'>,
  asked: DefinitionRequest
): Promise<Target> {
  const name = unlistedName(basename(asked.file), readDefinition(asked.file, asked.values).recipe)
  let named: Target['modules'] = []
  const report = await withDefinition(store, asked, name, built => {
    named = built.base.target.modules.filter(({ name }) => name !== undefined)
    return publishModule(store, {
      ...request,
      name,
      spec: { ...built.settings, ...narrowed(built.bounds, asked.file) },
      flags: {
        kind: named.length === 0 ? 'base' : 'application',
        allowPrivileged: true,
        sources: built.sources
      },
      ignoreMissing: false,
      replace: false,
      unlisted: true,
      capture: built.capture
    })
  })
  const { record } = report
  const { layers } = await store.readRecord(record)
  const made = { name: formatModuleName(name), record, layers }
  return { name: asked.file, modules: [...named, made] }
}

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

/** @param name of the module that it becomes */
async function withDefinition(
  store: Repository,
  asked: DefinitionRequest,
  name: ModuleName,
  publish: (built: BuiltStages) => Promise<ImportModuleReport>
): Promise<ImportModuleReport> {
  await store.assertWritable()
  const { file } = asked
  const { text, recipe } = readDefinition(file, asked.values)
  const used = new Set<string>()
  const recipes = recipesOf(store, text, asked, used)
  const request = { recipes, command: recipe, name }
  const report = await buildStages(store, request, asked, publish)
  for (const name of asked.values.keys())
    if (!used.has(name)) asked.note(`--build-arg ${name} is not used by ${file}`)
  return report
}

/** @param used gets the names of variables that the definition uses */
function recipesOf(
  store: Repository,
  text: string,
  asked: DefinitionRequest,
  used: Set<string>
): StageRecipe[] {
  if (looksLikeSspec(text)) return sspecRecipes(store, text, asked)
  return looksLikeDockerfile(text)
    ? dockerRecipes(store, text, asked, used)
    : stageRecipes(store, text, asked, used)
}

/** @param used gets the names of variables that the definition uses */
const stageRecipes = (
  store: Repository,
  text: string,
  asked: DefinitionRequest,
  used: Set<string>
): StageRecipe[] => {
  const { file } = asked
  return parseDefinition(text, file).map((stage): StageRecipe => {
    const values = new StageValues(stage, asked.values, file)
    return {
      names: stage.name === undefined ? [] : [stage.name],
      what: stage.name === undefined ? file : `stage ${stage.name} of ${file}`,
      open: work => openBase(store, stage, values, file, { ...asked, work }),
      plan: around => {
        const plan = planStage(stage, values, file, around)
        for (const name of values.used) used.add(name)
        return plan
      }
    }
  })
}
