import { Command } from 'commander'
import { SYNONYMS, UNLISTED, VERBS } from './verbs.ts'
import { version } from './version.ts'

const DEFINITIONS = { ...VERBS, ...UNLISTED }

/** The verb that a word stands for; undefined for any other word. */
export function verbOf(word: string): string | undefined {
  const verb = Object.hasOwn(SYNONYMS, word) ? SYNONYMS[word] : word
  return Object.hasOwn(DEFINITIONS, verb) ? verb : undefined
}

/** Definitions of verbs, by way of the file of each. */
export async function defineVerbs(program: Command, verbs: Iterable<string>): Promise<void> {
  for (const verb of verbs) {
    const { default: define } = await DEFINITIONS[verb]()
    define(program, { verbOf, listedCommands, definitionOf, version })
  }
}

/** Every verb that help mentions, in its order. */
export async function listedCommands(): Promise<Command[]> {
  const program = new Command('compose')
  await defineVerbs(program, Object.keys(VERBS))
  return [...program.commands]
}

/** One verb by itself, to look at. */
export async function definitionOf(verb: string): Promise<Command> {
  const program = new Command('compose')
  await defineVerbs(program, [verb])
  return program.commands[0]
}
