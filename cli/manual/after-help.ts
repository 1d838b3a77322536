import type { EventEmitter } from 'node:events'
import type { Command } from 'commander'

/**
 * What a command prints behind its options: its examples. Commander keeps no list of such texts, but writes them to
 * whoever asks as its own help does.
 */
export function afterHelp(command: Command): string {
  let text = ''
  const emitter = command as unknown as EventEmitter // which it is; only its types do not say so
  emitter.emit('afterHelp', {
    error: false,
    command,
    write: (chunk: string) => {
      text += chunk
    }
  })
  return text.trim()
}
