/**
 * The completion script of each shell. All of them call `compose complete` with the words so far, and offer the lines
 * that it prints: a candidate, a tab, its description. If it prints nothing they offer files.
 */

export const SHELLS = ['bash', 'zsh', 'fish', 'tcsh'] as const
export type Shell = (typeof SHELLS)[number]

const BASH = `_compose() {
  local IFS=$'\\n'
  COMPREPLY=($(compose complete -- "$COMP_CWORD" "\${COMP_WORDS[@]}" 2>/dev/null))
  COMPREPLY=("\${COMPREPLY[@]%%$'\\t'*}")
}
complete -o default -F _compose compose
`

const ZSH = `#compdef compose
_compose() {
  local -a lines candidates
  local line
  lines=("\${(@f)$(compose complete -- $((CURRENT - 1)) "\${words[@]}" 2>/dev/null)}")
  for line in $lines; do
    candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( $#candidates )); then
    _describe compose candidates
  else
    _files
  fi
}
compdef _compose compose
`

const FISH = `function __compose_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines (compose complete -- (math (count $words) - 1) $words 2>/dev/null)
    if test (count $lines) -gt 0
        printf '%s\\n' $lines
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c compose -f -a '(__compose_complete)'
`

/** tcsh sets COMMAND_LINE to the line that was typed, and offers only the words that the command prints. */
const TCSH = "complete compose 'p@*@`compose complete --line`@'\n"

export const SCRIPTS: Record<Shell, string> = { bash: BASH, zsh: ZSH, fish: FISH, tcsh: TCSH }
