/** What a stage starts from: its `Bootstrap` and `From` (spec/definitions.md#bootstrap). */
import { exists } from '../../store/disk/index.ts'
import { isImageAddress } from '../../store/registry/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { isUnlisted, splitReference } from '../sources/index.ts'
import { isTool, TOOLS, toolBase } from './host-tools.ts'
import { type BaseOptions, importedBase, type StageBase, scratchBase, withoutNames } from './imported-base.ts'
import { orasBase } from './oras-base.ts'
import { type Taking, tellOutside } from './outside-files.ts'
import { refuseAt, type Stage } from './parse-definition.ts'
import type { DefinitionRequest } from './stage-plan.ts'
import type { StageValues } from './stage-values.ts'

/** @throws StrataError DEFINITION_INVALID for an agent that is not known; as imports */
export async function openBase(
  store: Repository,
  stage: Stage,
  values: StageValues,
  file: string,
  options: DefinitionRequest & BaseOptions
): Promise<StageBase> {
  const { value: typed, line } = stage.header.get('bootstrap')!
  const agent = values.fill(typed, line).toLowerCase()
  const from = fromOf(stage, values)
  refuseFingerprints(stage, file)
  if (agent === 'scratch') return scratchBase(store, options)
  if (isTool(agent)) return toolBase(store, agent, { stage, values, file }, options)
  if (from === '') refuseAt(file, line, `Bootstrap: ${agent} wants a line From: ...`)
  if (agent === 'compose' || FILES.includes(agent))
    await tellBase(agent, from, { ...options, file, line: stage.header.get('from')?.line ?? line })
  if (agent === 'compose') return ofModules(store, from.split(/\s+/), options)
  if (agent === 'docker') return withoutNames(store, await options.openTarget([`docker://${from}`]))
  if (agent === 'oras') return orasBase(store, from, options)
  if (agent === 'localimage' && !(await exists(from)) && (await isModule(store, from)))
    refuseAt(
      file,
      stage.header.get('from')?.line ?? line,
      `From: ${from} is a module of the store, and Bootstrap: localimage wants a file or a sandbox`,
      'Bootstrap: compose'
    )
  if (agent === 'localimage' && (await exists(`${from}/.compose`))) return ofModules(store, [from], options)
  if (FILES.includes(agent)) return importedBase(store, from, options)
  return refuseAt(
    file,
    line,
    `Bootstrap: ${agent} is not known here`,
    HINTS[agent] ?? `wanted one of ${AGENTS}`
  )
}

/** A base of modules may be a file of the host as well: a tarball, a sandbox, a lock, a stack. */
async function tellBase(agent: string, from: string, taking: Taking): Promise<void> {
  if (from === '-')
    refuseAt(taking.file, taking.line, 'From: - is standard input, which belongs to the user', 'From: FILE')
  const { path } = agent === 'compose' ? { path: from } : await splitReference(from)
  if (await exists(path)) tellOutside({ ...taking, isBase: true }, [path])
}

/** A sandbox or a lock may also hold what a definition or an image of a registry became. */
const ofModules = async (
  store: Repository,
  words: string[],
  { openTarget }: BaseOptions
): Promise<StageBase> => withoutNames(store, await openTarget(words), module => isUnlisted(store, module))

/** Whoever names keys wants to be sure of them. */
function refuseFingerprints({ header }: Stage, file: string): void {
  const asked = header.get('fingerprints')
  if (asked === undefined || asked.value === '') return
  refuseAt(
    file,
    asked.line,
    'Fingerprints: PGP signatures of images cannot be checked here',
    'apptainer verify IMAGE, then take the line out; compose verify checks images that compose sign signed'
  )
}

/**
 * The base that `FROM` of a Dockerfile names: nothing, modules of the store, or an image of a registry.
 * @throws StrataError as imports
 */
export async function openImageBase(
  store: Repository,
  name: string,
  options: BaseOptions
): Promise<StageBase> {
  if (name === 'scratch') return scratchBase(store, options)
  if (isImageAddress(name)) return withoutNames(store, await options.openTarget([name]))
  if (await isModule(store, name)) return { target: await options.openTarget([name]), unnamed: [] }
  return withoutNames(store, await options.openTarget([`docker://${name}`]))
}

/** `base/debian-12`, if the store has it. */
async function isModule(store: Repository, name: string): Promise<boolean> {
  if (!/^[a-z]+\/[^/:@]+$/.test(name)) return false
  try {
    return (await store.findModule(await store.parseTypedName(name))) !== undefined
  } catch (error) {
    if (error instanceof StrataError) return false
    throw error
  }
}

const FILES = ['localimage', 'oci', 'oci-archive', 'docker-archive']
const AGENTS = `compose, scratch, docker, oras, ${[...FILES, ...TOOLS].join(', ')}`

const HINTS: Record<string, string> = {
  library: 'apptainer pull base.sif library://..., then Bootstrap: localimage',
  shub: 'Singularity Hub was closed in 2021; a copy of the image: Bootstrap: localimage'
}

/** `Registry` and `Namespace` stand before the image's name, as Apptainer puts them. */
function fromOf({ header }: Stage, values: StageValues): string {
  const filled = (key: string) => {
    const found = header.get(key)
    return found === undefined ? '' : values.fill(found.value, found.line)
  }
  return [filled('registry'), filled('namespace'), filled('from')].filter(part => part !== '').join('/')
}
