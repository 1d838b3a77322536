/** What can stand where the cursor is, from the definitions that the commands are parsed by. */
import type { Command, Option } from 'commander'
import type { Verbs } from '../context/index.ts'

export interface Candidate {
  word: string
  /** What it is, in a few words. */
  text: string
}

/** Words of which only the program knows what there is; by the name of an argument or of an option's value. */
export type Source = 'modules' | 'loaded' | 'collections'

const SOURCES: Record<string, Source> = {
  MODULE: 'modules',
  M: 'modules',
  TARGET: 'modules',
  PATTERN: 'modules',
  NEW: 'modules',
  OLD: 'loaded',
  LOADED: 'loaded',
  NAME: 'collections'
}

/** Verbs whose modules are those of the stack. */
const OF_THE_STACK = new Set(['rm', 'update'])
/** Its NAME is a new one. */
const OF_NOBODY = new Set(['alias'])

export interface Completion {
  candidates: Candidate[]
  /** What is to be asked for more of them. */
  source?: Source
}

/**
 * @param program with its global options
 * @param words as typed so far, without `compose`; the last one is being typed, and may be empty
 */
export async function complete(program: Command, verbs: Verbs, words: string[]): Promise<Completion> {
  const typed = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  const at = verbIndex(program, before)
  if (at < 0) {
    if (valueOption(program.options, before.at(-1)) !== undefined) return { candidates: [] }
    return matching(
      typed,
      typed.startsWith('-') ? optionCandidates(program.options) : await verbCandidates(verbs)
    )
  }
  const verb = verbs.verbOf(before[at])
  if (verb === undefined) return { candidates: [] }
  const command = await verbs.definitionOf(verb)
  const options = [...command.options.filter(({ hidden }) => !hidden), ...program.options]
  const awaited = valueOption(options, before.at(-1))
  if (awaited !== undefined) return ofValue(awaited, typed)
  if (typed.startsWith('-') && !before.includes('--')) return matching(typed, optionCandidates(options))
  return ofArgument(verb, command, positionals(options, before.slice(at + 1)).length, typed)
}

async function verbCandidates(verbs: Verbs): Promise<Candidate[]> {
  const commands = await verbs.listedCommands()
  return commands.map(command => ({ word: command.name(), text: command.summary() }))
}

const matching = (typed: string, candidates: Candidate[]): Completion => ({
  candidates: candidates.filter(({ word }) => word.startsWith(typed))
})

/** Of the first word that is neither a global option nor the value of one; -1 when there is none yet. */
function verbIndex(program: Command, words: string[]): number {
  return words.findIndex(
    (word, i) => !word.startsWith('-') && valueOption(program.options, words[i - 1]) === undefined
  )
}

/** The option that takes the next word as its value. */
const valueOption = (options: readonly Option[], word: string | undefined): Option | undefined =>
  word === undefined
    ? undefined
    : options.find(
        ({ required, optional, short, long }) => (required || optional) && [short, long].includes(word)
      )

const optionCandidates = (options: readonly Option[]): Candidate[] =>
  options.map(({ long, short, description }) => ({ word: long ?? short!, text: description }))

/** Of `--comp <zstd|gzip>` the words that are named, of `--requires <M>` modules, of others files. */
function ofValue({ argChoices, flags }: Option, typed: string): Completion {
  const [, name = ''] = /<([^<>]+)>/.exec(flags) ?? []
  const words = argChoices ?? (name.includes('|') ? name.split('|') : [])
  return {
    ...matching(
      typed,
      words.map(word => ({ word, text: '' }))
    ),
    source: name === 'NAME' ? undefined : SOURCES[name] // of an option it is a name of its own kind
  }
}

const positionals = (options: Option[], words: string[]): string[] =>
  words.filter((word, i) => !word.startsWith('-') && valueOption(options, words[i - 1]) === undefined)

function ofArgument(
  verb: string,
  { registeredArguments: defined }: Command,
  index: number,
  typed: string
): Completion {
  const last = defined.at(-1)
  const argument = defined[index] ?? (last?.variadic ? last : undefined)
  if (argument === undefined) return { candidates: [] }
  if (argument.argChoices !== undefined)
    return matching(
      typed,
      argument.argChoices.map(word => ({ word, text: '' }))
    )
  if (OF_NOBODY.has(verb) && index === 0) return { candidates: [] }
  const source = SOURCES[argument.name()]
  return { candidates: [], source: source === 'modules' && OF_THE_STACK.has(verb) ? 'loaded' : source }
}
