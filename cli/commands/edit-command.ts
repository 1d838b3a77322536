/** What the commands that edit the stack have in common. */
import type { Command } from 'commander'
import type { StackChange } from '../../compose/stack/edit-stack.ts'
import { StrataError } from '../../store/errors.ts'
import { type ModuleRequest, parseModuleRequest } from '../../store/module/name.ts'
import type { Store } from '../../store/store.ts'
import { type Context, contextOf } from '../command.ts'

/** Runs an edit of the stack and tells what it did. Loads what is needed when it is: starting up is most of the time. */
export async function runEdit(
  command: Command,
  edit: (store: Store, context: Context) => Promise<StackChange>
): Promise<void> {
  const context = contextOf(command)
  const change = await edit(await context.openStore(), context)
  const { changeJson, changeNotes } = await import('../render/lmod-words.ts')
  for (const note of changeNotes(change)) context.io.note(note)
  context.result(changeJson(change), () => '')
}

/** @throws StrataError USAGE when no module is named; MODULE_NAME */
export function requestsOf(words: string[], example: string): ModuleRequest[] {
  if (words.length > 0) return words.map(parseModuleRequest)
  throw new StrataError('USAGE', { message: 'no module is named', hint: example })
}
