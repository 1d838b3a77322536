/** Hard links between the layers of one module, before it is published (spec/merge.md#lower). */
import type { CID } from 'multiformats/cid'
import type { Repository } from '../../store/repository/index.ts'
import { resolveLowerLinks } from '../merge/index.ts'
import { openStack } from '../outputs/index.ts'

/**
 * @param name of the module, for messages
 * @throws StrataError TAR_INVALID for a link that leads nowhere; as openStack
 */
export async function checkLowerLinks(store: Repository, name: string, layers: CID[]): Promise<void> {
  const stack = await openStack(store, [{ layers }], store.profile)
  try {
    resolveLowerLinks(stack.layers.map(layer => ({ ...layer, name })))
  } finally {
    await stack.close()
  }
}
