/** The words that can stand at the cursor, taken from the definitions with which the commands are parsed. */
import type { Command, Option } from 'commander'
import type { Verbs } from '../context/index.ts'

export interface Candidate {
  word: string
  /** A short description for the shell to show. */
  text: string
}

/** Kinds of words that only the program knows, looked up by the name of an argument or of an option's value. */
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

/** Verbs whose MODULE is one of the stack. */
const OF_STACK = new Set(['rm', 'update'])
/** Verbs whose NAME is a new word, so that there is nothing to offer. */
const NEW_NAME = new Set(['alias'])

export interface Completion {
  candidates: Candidate[]
  /** The kind of further words to look up. */
  source?: Source
}

/**
 * @param program with its global options
 * @param words typed so far, without `compose`; the last one is being typed, and may be empty
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

/** Index of the first word that is neither a global option nor the value of one; -1 if there is none yet. */
function verbIndex(program: Command, words: string[]): number {
  return words.findIndex(
    (word, i) => !word.startsWith('-') && valueOption(program.options, words[i - 1]) === undefined
  )
}

/** The option that takes the word after `word` as its value. */
const valueOption = (options: readonly Option[], word: string | undefined): Option | undefined =>
  word === undefined
    ? undefined
    : options.find(
        ({ required, optional, short, long }) => (required || optional) && [short, long].includes(word)
      )

const optionCandidates = (options: readonly Option[]): Candidate[] =>
  options.map(({ long, short, description }) => ({ word: long ?? short!, text: description }))

/** `--comp <zstd|gzip>` offers the words it names, `--requires <M>` offers modules, and other values are files. */
function ofValue({ argChoices, flags }: Option, typed: string): Completion {
  const [, name = ''] = /<([^<>]+)>/.exec(flags) ?? []
  const words = argChoices ?? (name.includes('|') ? name.split('|') : [])
  return {
    ...matching(
      typed,
      words.map(word => ({ word, text: '' }))
    ),
    source: name === 'NAME' ? undefined : SOURCES[name] // as a value of an option, NAME is not a collection
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
  if (NEW_NAME.has(verb) && index === 0) return { candidates: [] }
  const source = SOURCES[argument.name()]
  return { candidates: [], source: source === 'modules' && OF_STACK.has(verb) ? 'loaded' : source }
}
