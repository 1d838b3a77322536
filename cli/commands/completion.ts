import { Argument, type Command } from 'commander'
import { SCRIPTS, SHELLS, type Shell } from '../completion/index.ts'
import { contextOf } from '../context/index.ts'

const EXAMPLES = `
Examples:
  source <(compose completion bash)                                     in ~/.bashrc
  source <(compose completion zsh)                                      in ~/.zshrc, behind compinit
  compose completion fish > ~/.config/fish/completions/compose.fish
  compose completion tcsh > ~/.compose.tcsh; source ~/.compose.tcsh     in ~/.tcshrc`

export default (program: Command): void => {
  program
    .command('completion')
    .addArgument(new Argument('SHELL', 'the shell').choices(SHELLS))
    .summary('print a script for tab completion in your shell')
    .description('Print the script with which SHELL completes commands, options, modules and collections.')
    .addHelpText('after', EXAMPLES)
    .action((shell: Shell, _options: object, command: Command) => {
      const script = SCRIPTS[shell]
      contextOf(command).result({ shell, script }, () => script.trimEnd())
    })
}
