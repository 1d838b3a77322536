import { listCollections } from '../../compose/stack/collections.ts'
import { readStack } from '../../compose/stack/stack-file.ts'
import { openCatalogue } from '../../store/index/catalogue.ts'
import { formatModuleName, formatModuleRequest } from '../../store/module/name.ts'
import type { Context } from '../command.ts'
import type { Candidate, Source } from './complete.ts'

/** What is there, that begins as the word that is being typed. */
export const SOURCE: Record<Source, (context: Context, typed: string) => Promise<Candidate[]>> = {
  async modules(context, typed) {
    const { modules } = await openCatalogue(await context.openStore()).modules()
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
