import type { Command } from 'commander'
import { type Candidate, complete } from '../completion/index.ts'
import { type Context, contextOf, type Verbs } from '../context/index.ts'

/** What the scripts of `compose completion` ask. It never fails: a shell has no place to show why. */
export default (program: Command, verbs: Verbs): void => {
  program
    .command('complete [WORDS...]', { hidden: true })
    .description(
      'For the shells: print what can stand at word INDEX of a command line, given as INDEX WORD...; with --line at the end of\n$COMMAND_LINE, files as well, and nothing of what they are.'
    )
    .option('--line')
    .action(async ([index, ...words]: string[], { line }: { line?: boolean }, command: Command) => {
      const context = contextOf(command)
      const typed = line ? wordsOf(process.env.COMMAND_LINE ?? '') : words.slice(1, Number(index) + 1)
      try {
        const found = await candidatesFor(program, verbs, context, typed)
        const { filesLike } = await import('../completion/sources.ts')
        const candidates = line && found.length === 0 ? filesLike(typed.at(-1) ?? '') : found
        context.result({ candidates }, () =>
          candidates.map(({ word, text }) => (line ? word : `${word}\t${firstLine(text)}`)).join('\n')
        )
      } catch {}
    })
}

async function candidatesFor(
  program: Command,
  verbs: Verbs,
  context: Context,
  typed: string[]
): Promise<Candidate[]> {
  const { candidates, source } = await complete(program, verbs, typed)
  if (source === undefined) return candidates
  const { SOURCE } = await import('../completion/sources.ts')
  return [...candidates, ...(await SOURCE[source](context, typed.at(-1) ?? ''))]
}

/** Behind the command's name; the last word may be empty. A quote is none of a name's characters. */
const wordsOf = (line: string): string[] => line.replace(/["']/g, '').trimStart().split(/\s+/).slice(1)

const firstLine = (text: string) => text.split('\n', 1)[0]
