/** A Dockerfile as stages of a build. */
import { dirname } from 'node:path'
import type { ModuleRecord } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { USUAL_PATH } from '../oci/index.ts'
import { composeEnvironment } from '../runtime-files/index.ts'
import { type DockerStage, dockerStages, globalArguments } from './dockerfile-stages.ts'
import type { StageBase } from './imported-base.ts'
import { tellOutside } from './outside-files.ts'
import { parseDockerfile } from './parse-dockerfile.ts'
import { planDockerStage } from './plan-dockerfile.ts'
import { openImageBase } from './stage-base.ts'
import type { DefinitionRequest, StageRecipe } from './stage-plan.ts'

/**
 * @param used gets the names of `--build-arg` that the file declares
 * @throws StrataError DEFINITION_INVALID
 */
export function dockerRecipes(
  store: Repository,
  text: string,
  asked: DefinitionRequest,
  used: Set<string>
): StageRecipe[] {
  const { file } = asked
  if (asked.filesWithin !== undefined) tellOutside({ ...asked, file, line: 1, isBase: true }, [dirname(file)])
  const parsed = parseDockerfile(text, file)
  const globals = globalArguments(parsed, asked.values, file)
  for (const name of globals.keys()) if (asked.values.has(name)) used.add(name)
  const stages = dockerStages(parsed, globals, file)
  const known = new Set(stages.flatMap(({ names }) => names))
  const recipeOf = (stage: DockerStage): StageRecipe => {
    let environment: Record<string, string> = {}
    return {
      names: stage.names,
      what: `stage ${stage.names.at(-1)} of ${file}`,
      open: async work => {
        const base = await openImageBase(store, imageOf(stage), { ...asked, work })
        environment = await environmentOf(store, base)
        return base
      },
      plan: around =>
        planDockerStage(stage, { ...around, file, globals, environment, used, mark: parsed.mark })
    }
  }
  return [
    ...imagesCopiedFrom(stages, known).map(image => imageRecipe(store, image, asked)),
    ...stages.map(recipeOf)
  ]
}

const imageOf = ({ image, parent }: DockerStage): string => image ?? imageOf(parent!)

/** `COPY --from=IMAGE`. */
function imagesCopiedFrom(stages: DockerStage[], known: ReadonlySet<string>): string[] {
  const named = stages.flatMap(({ instructions }) =>
    instructions
      .filter(({ name }) => name === 'COPY')
      .flatMap(({ flags }) => flags.filter(([flag]) => flag === 'from').map(([, value]) => value))
  )
  return [...new Set(named)].filter(name => !known.has(name.toLowerCase()) && !name.includes('$'))
}

const imageRecipe = (store: Repository, image: string, asked: DefinitionRequest): StageRecipe => ({
  names: [image.toLowerCase()],
  what: image,
  open: work => openImageBase(store, image, { ...asked, work }),
  plan: () => ({ steps: [], settings: () => ({ environment: [], labels: {} }) })
})

async function environmentOf(
  store: Repository,
  { target, unnamed }: StageBase
): Promise<Record<string, string>> {
  const records: ModuleRecord[] = [...unnamed]
  for (const { record } of target.modules)
    if (record !== undefined) records.push(await store.readRecord(record))
  return composeEnvironment(records, { PATH: USUAL_PATH })
}
