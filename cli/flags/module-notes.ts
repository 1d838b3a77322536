import { independentBases } from '../../compose/resolve/index.ts'
import type { ChosenModule } from '../../compose/stack/index.ts'
import { parseModuleName } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import type { Io } from '../process/index.ts'
import { basesNote, deprecationNote } from '../render/index.ts'

/**
 * Notes which of the modules are deprecated, with the advice of their records. Also warns about several bases in one
 * stack, which is hardly ever meant.
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
