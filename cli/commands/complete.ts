import type { Command } from 'commander'
import { contextOf } from '../command.ts'
import { type Candidate, complete } from '../completion/complete.ts'
import { listedCommands } from '../load-verbs.ts'

/** What the scripts of `compose completion` ask. It never fails: a shell has no place to show why. */
export default (program: Command): void => {
  program
    .command('complete [WORDS...]', { hidden: true })
    .description(
      'For the shells: print what can stand at word INDEX of a command line, given as INDEX WORD...'
    )
    .action(async ([index, ...words]: string[], _options: object, command: Command) => {
      const context = contextOf(command)
      const typed = words.slice(1, Number(index) + 1)
      try {
        const { candidates, source } = await complete(program, verbCandidates, typed)
        const { SOURCE } = await import('../completion/sources.ts')
        const more = source === undefined ? [] : await SOURCE[source](context, typed.at(-1) ?? '')
        context.result({ candidates: [...candidates, ...more] }, () =>
          [...candidates, ...more].map(({ word, text }) => `${word}\t${firstLine(text)}`).join('\n')
        )
      } catch {}
    })
}

const firstLine = (text: string) => text.split('\n', 1)[0]

async function verbCandidates(): Promise<Candidate[]> {
  const commands = await listedCommands()
  return commands.map(command => ({ word: command.name(), text: command.summary() }))
}
