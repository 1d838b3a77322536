import { readFacts } from '../compose/resolve/read-facts.ts'
import type { ChosenModule } from '../compose/stack/chosen-module.ts'
import type { Store } from '../store/store.ts'
import type { Io } from './io.ts'
import { deprecationNote } from './render/lmod-words.ts'

/** Tell which of the modules are to be given up, and what their records say to do. @throws StrataError as readFacts */
export async function noteDeprecated(io: Io, store: Store, modules: ChosenModule[]): Promise<void> {
  for (const { name, record } of modules) {
    if (name === undefined || record === undefined) continue
    const { deprecated } = await readFacts(store, record)
    if (deprecated !== undefined) io.note(deprecationNote({ module: name, ...deprecated }))
  }
}
