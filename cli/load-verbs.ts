import { Command } from 'commander'
import { SYNONYMS, UNLISTED, VERBS } from './verbs.ts'
import { version } from './version.ts'

const DEFINITIONS = { ...VERBS, ...UNLISTED }

/** The verb that a word names, also by a synonym; undefined for any other word. */
export function verbOf(word: string): string | undefined {
  const verb = Object.hasOwn(SYNONYMS, word) ? SYNONYMS[word] : word
  return Object.hasOwn(DEFINITIONS, verb) ? verb : undefined
}

/** Loads the file of each verb, and defines the verb in `program`. */
export async function defineVerbs(program: Command, verbs: Iterable<string>): Promise<void> {
  for (const verb of verbs) {
    const { default: define } = await DEFINITIONS[verb]()
    define(program, { verbOf, listedCommands, definitionOf, version })
  }
}

/** The verbs that help lists, in its order. */
export async function listedCommands(): Promise<Command[]> {
  const program = new Command('compose')
  await defineVerbs(program, Object.keys(VERBS))
  return [...program.commands]
}

/** The definition of one verb. */
export async function definitionOf(verb: string): Promise<Command> {
  const program = new Command('compose')
  await defineVerbs(program, [verb])
  return program.commands[0]
}
