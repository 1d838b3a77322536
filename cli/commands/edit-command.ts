/** Parts that the commands that edit the stack share. */

import type { Command } from 'commander'
import type { StackChange } from '../../compose/stack/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Context, contextOf } from '../context/index.ts'

/**
 * Runs an edit of the stack and prints its result. The library is loaded here, because loading takes most of the
 * time.
 */
export async function runEdit(
  command: Command,
  edit: (store: Repository, context: Context) => Promise<StackChange>
): Promise<void> {
  const context = contextOf(command)
  const change = await edit(await context.openStore(), context)
  const { changeJson, changeNotes } = await import('../render/lmod-words.ts')
  for (const note of changeNotes(change)) context.io.note(note)
  context.result(changeJson(change), () => '')
}

/** @throws StrataError USAGE when no module is named */
export function assertNamed(words: string[], example: string): void {
  if (words.length === 0) throw new StrataError('USAGE', { message: 'no module was given', hint: example })
}

/** Resolves the words one after another, so that the error is about the first wrong one. */
export async function eachRequest<T>(words: string[], request: (word: string) => Promise<T>): Promise<T[]> {
  const requests: T[] = []
  for (const word of words) requests.push(await request(word))
  return requests
}
