import { readdirSync } from 'node:fs'
import { listCollections, readStack } from '../../compose/stack/index.ts'
import { formatModuleName, formatModuleRequest } from '../../store/module/index.ts'
import type { Context } from '../context/index.ts'
import type { Candidate, Source } from './complete-line.ts'

/** Looks up existing words of each kind that begin with the word being typed. */
export const SOURCE: Record<Source, (context: Context, typed: string) => Promise<Candidate[]>> = {
  async modules(context, typed) {
    const { modules } = await (await context.openStore()).catalogue().modules()
    const found = new Map<string, string>()
    for (const { name, summary = '', hidden } of modules) {
      if (hidden) continue
      const { category, name: short } = name
      for (const word of [`${category}/${short}`, formatModuleName(name)])
        if (word.startsWith(typed) && !found.has(word)) found.set(word, summary)
    }
    return [...found].map(([word, text]) => ({ word, text }))
  },
  async loaded(context, typed) {
    const { modules } = await readStack(context.stackFile)
    return modules
      .map(request => ({ word: formatModuleRequest(request), text: '' }))
      .filter(({ word }) => word.startsWith(typed))
  },
  async collections(_context, typed) {
    const names = await listCollections()
    return names.filter(name => name.startsWith(typed)).map(word => ({ word, text: 'saved collection' }))
  }
}

/** File names, for shells that do not offer files themselves. */
export function filesLike(typed: string): Candidate[] {
  const folder = typed.slice(0, typed.lastIndexOf('/') + 1)
  return readdirSync(folder || '.', { withFileTypes: true })
    .map(entry => ({ name: entry.name, word: `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}` }))
    .filter(({ name, word }) => word.startsWith(typed) && (!name.startsWith('.') || !typed.endsWith('/')))
    .map(({ word }) => ({ word, text: '' }))
}
