import type { EventEmitter } from 'node:events'
import type { Command } from 'commander'

/**
 * The text that a command's help prints after its options, such as examples. Commander has no list of such texts, but
 * it writes them to those who emit this event, as its own help does.
 */
export function afterHelp(command: Command): string {
  let text = ''
  const emitter = command as unknown as EventEmitter // Command is an EventEmitter, but its types do not say so
  emitter.emit('afterHelp', {
    error: false,
    command,
    write: (chunk: string) => {
      text += chunk
    }
  })
  return text.trim()
}
