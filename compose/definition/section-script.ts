/** How the scripts of sections are run, and in which form an image keeps them (spec/definitions.md#scripts). */

/**
 * The command for a script that runs while an image is built. Words behind the section's name go to the shell; those
 * behind `-c` are the program that gets the script's path.
 * @throws Error
 */
export function scriptCommand(argument: string, script: string): string[] {
  const words = argument.split(/\s+/).filter(word => word !== '')
  const cut = words.indexOf('-c')
  if (cut < 0) return ['/bin/sh', '-ex', ...words, script]
  const program = words.slice(cut + 1)
  if (program.length === 0) throw new Error('no program stands behind -c')
  return ['/bin/sh', '-ex', ...words.slice(0, cut), '-c', [...program, script].join(' ')]
}

/** A script that starts by itself: its own first line, or the usual one, with the words behind the section's name. */
export function keptScript(argument: string, text: string): string {
  const [first, ...rest] = text.split('\n')
  const own = first.startsWith('#!') ? first.trimEnd() : undefined
  const head = [own ?? '#!/bin/sh', ...(argument === '' ? [] : [argument])].join(' ')
  return `${head}\n${own === undefined ? `\n${text}` : rest.join('\n')}`
}
