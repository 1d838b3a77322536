import { independentBases } from '../../compose/resolve/index.ts'
import type { ChosenModule } from '../../compose/stack/index.ts'
import { parseModuleName } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import type { Io } from '../context/index.ts'
import { basesNote, deprecationNote } from '../render/index.ts'

/**
 * Tell which of the modules are to be given up, and what their records say to do; and of several bases, which hardly
 * anybody means.
 * @throws StrataError as readRecordPart
 */
export async function noteModules(io: Io, store: Repository, modules: ChosenModule[]): Promise<void> {
  const known = []
  for (const { name, record } of modules) {
    if (name === undefined || record === undefined) continue
    const facts = await store.readRecordPart(record, ['kind', 'requires', 'deprecated'])
    known.push({ name: parseModuleName(name), record: facts })
    if (facts.deprecated !== undefined) io.note(deprecationNote({ module: name, ...facts.deprecated }))
  }
  for (const note of basesNote(independentBases(known))) io.note(note)
}
