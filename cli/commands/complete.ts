import type { Command } from 'commander'
import { type Candidate, complete } from '../completion/index.ts'
import { type Context, contextOf, type Verbs } from '../context/index.ts'

/**
 * The scripts of `compose completion` call this verb. It never fails, because a shell has no place to show an error.
 */
export default (program: Command, verbs: Verbs): void => {
  program
    .command('complete [WORDS...]', { hidden: true })
    .description(
      'For shells: print the words that can stand at position INDEX of the command line WORD... With --line, complete the end of $COMMAND_LINE: file names, too, and without descriptions.'
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

/** The words after the command's name. The last one may be empty. Quotes are dropped, because no name contains one. */
const wordsOf = (line: string): string[] => line.replace(/["']/g, '').trimStart().split(/\s+/).slice(1)

const firstLine = (text: string) => text.split('\n', 1)[0]
