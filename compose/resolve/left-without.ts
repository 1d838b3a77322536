import type { ModuleName } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { DAG_JSON, parseCid } from '../../store/values/index.ts'
import { satisfies } from './satisfies.ts'

/**
 * Modules that cannot be loaded any more, because they require the one that is gone and no published version meets the
 * requirement. Modules whose records this user cannot read do not count.
 */
export async function leftWithout(store: Repository, gone: ModuleName): Promise<ModuleName[]> {
  const others = store.publishedVersions(gone).map(({ version }) => ({ ...gone, version }))
  const left: ModuleName[] = []
  for (const { name, record } of (await store.catalogue().modules()).modules) {
    const requires = await store.readRecordPart(parseCid(record, DAG_JSON, 'record'), ['requires']).then(
      part => part.requires,
      () => []
    )
    if (requires.some(wanted => satisfies(gone, wanted) && !others.some(other => satisfies(other, wanted))))
      left.push(name)
  }
  return left
}
