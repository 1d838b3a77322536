/** The stages of a Dockerfile, and the images that it copies from. */
import { expandText, expandWords, type Lookup, WordError } from './dockerfile-words.ts'
import { refuseAt } from './parse-definition.ts'
import type { Dockerfile, Instruction } from './parse-dockerfile.ts'

export interface DockerStage {
  /** Number, from 0, and name, if it has one. */
  names: string[]
  /** Name of an image; undefined for the tree of an earlier stage. */
  image?: string
  parent?: DockerStage
  line: number
  instructions: Instruction[]
}

/** Words of an instruction; faults name their line. @throws StrataError DEFINITION_INVALID */
export function atLine<T>(
  file: string,
  { name, line }: Pick<Instruction, 'name' | 'line'>,
  read: () => T
): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof WordError) refuseAt(file, line, `${name}: ${error.message}`)
    throw error
  }
}

/** Variables of `ARG` before the first `FROM`. */
export function globalArguments(
  { instructions, mark }: Dockerfile,
  given: ReadonlyMap<string, string>,
  file: string
): Map<string, string> {
  const values = new Map(platformValues())
  for (const each of instructions) {
    if (each.name === 'FROM') break
    if (each.name !== 'ARG') refuseAt(file, each.line, `${each.name} stands before the first FROM`)
    for (const [name, value] of atLine(file, each, () =>
      argumentsOf(each.text, key => values.get(key), mark)
    )) {
      const found = given.get(name) ?? value
      if (found !== undefined) values.set(name, found)
    }
  }
  return values
}

function platformValues(): [string, string][] {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  return ['TARGET', 'BUILD'].flatMap((side): [string, string][] => [
    [`${side}PLATFORM`, `linux/${architecture}`],
    [`${side}OS`, 'linux'],
    [`${side}ARCH`, architecture],
    [`${side}VARIANT`, '']
  ])
}

/** `ARG NAME`, `ARG NAME=VALUE`, and several of them. */
export const argumentsOf = (text: string, lookup: Lookup, mark: string): [string, string | undefined][] =>
  expandWords(text, lookup, mark).map(word => {
    const equals = word.indexOf('=')
    return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)]
  })

/** @throws StrataError DEFINITION_INVALID */
export function dockerStages(
  { instructions, mark }: Dockerfile,
  globals: ReadonlyMap<string, string>,
  file: string
): DockerStage[] {
  const stages: DockerStage[] = []
  for (const each of instructions) {
    if (each.name === 'FROM') {
      const text = atLine(file, each, () => expandText(each.text, name => globals.get(name), mark))
      stages.push(stageOf(text.split(/\s+/), each, stages, { globals, file }))
    } else stages.at(-1)?.instructions.push(each)
  }
  if (stages.length === 0) refuseAt(file, 1, 'it has no FROM')
  return stages
}

function stageOf(
  [from, as, name, ...more]: string[],
  { flags, line }: Instruction,
  stages: DockerStage[],
  { globals, file }: { globals: ReadonlyMap<string, string>; file: string }
): DockerStage {
  if (
    from === '' ||
    more.length > 0 ||
    (as !== undefined && (as.toLowerCase() !== 'as' || name === undefined))
  )
    refuseAt(file, line, 'wanted FROM IMAGE, or FROM IMAGE AS NAME')
  for (const [flag, value] of flags) {
    const platform = expandText(value, key => globals.get(key))
    if (flag !== 'platform' || platform !== globals.get('TARGETPLATFORM'))
      refuseAt(
        file,
        line,
        `--${flag}=${value}: stages are of this host's platform, ${globals.get('TARGETPLATFORM')}`
      )
  }
  const names = [String(stages.length), ...(name === undefined ? [] : [name.toLowerCase()])]
  const parent = stages.find(stage => stage.names.slice(1).includes(from.toLowerCase()))
  return { names, line, instructions: [], ...(parent === undefined ? { image: from } : { parent }) }
}
