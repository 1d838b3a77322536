/** Notes the blocks of a data file that was published, so that later imports need not pack them again. */
import { debuglog } from 'node:util'
import type { Part, WrittenBlocks } from '../object/index.ts'
import type { Profile } from '../values/index.ts'
import { addParts, partsToNote } from './block-writer.ts'

const debug = debuglog('strata')

/**
 * Errors are not fatal: blocks that are not noted are packed again.
 * @param parts of the data file, published
 */
export async function noteBlocks(
  root: string,
  profile: Profile,
  parts: Part[],
  blocks: WrittenBlocks
): Promise<void> {
  try {
    await addParts(root, partsToNote(profile, parts, blocks))
  } catch (error) {
    debug('blocks are not noted in %s: %o', root, error)
  }
}
