import type { Command } from 'commander'
import { formatModuleName } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Context, contextOf, type Verbs } from '../context/index.ts'
import { banner } from '../render/index.ts'

export default (program: Command, verbs: Verbs): void => {
  program
    .command('help [COMMAND|MODULE...]')
    .summary('show help for a command or a module')
    .description(
      'Show how to use COMMAND, as compose COMMAND --help does, or print the help texts of modules. Without a word, list the commands.'
    )
    .addHelpText('after', '\nExample:\n  compose help build\n  compose help app/vasp')
    .action(async (words: string[], _options: object, command: Command) => {
      const context = contextOf(command)
      const about = words.length === 0 ? program : commandNamed(program, verbs, words)
      if (about === undefined) await tellModules(context, words)
      else if (context.json) context.result({ help: about.helpInformation() }, () => '')
      else about.outputHelp()
    })
}

function commandNamed(program: Command, { verbOf }: Verbs, words: string[]): Command | undefined {
  const verb = words.length === 1 ? verbOf(words[0]) : undefined
  return program.commands.find(command => command.name() === verb)
}

/** A misspelt command looks like a module to `help`, so the error speaks of both. @throws StrataError */
async function moduleNamed(store: Repository, word: string) {
  try {
    return await store.findModule(await store.parseTypedName(word))
  } catch (error) {
    if (!(error instanceof StrataError) || error.code !== 'MODULE_UNKNOWN' || word.includes('/')) throw error
    const { code, message, facts } = error
    throw new StrataError(code, {
      message,
      facts,
      hint: `${word} is not a command either: compose help lists the commands, and compose avail the modules`
    })
  }
}

async function tellModules(context: Context, words: string[]): Promise<void> {
  const store = await context.openStore()
  const modules: { module: string; help: string | null }[] = []
  for (const word of words) {
    const { name, record } = await moduleNamed(store, word)
    const { help } = await store.readRecord(record)
    modules.push({ module: formatModuleName(name), help: help ?? null })
  }
  context.result({ modules }, () =>
    modules
      .flatMap(({ module, help }) =>
        help === null
          ? []
          : [banner(`Module Specific Help for "${module}"`, context.io.outColumns), help.trimEnd(), '']
      )
      .join('\n')
  )
  for (const { module, help } of modules)
    if (help === null) context.io.note(`${module} has no help text; compose whatis ${module} describes it`)
}
