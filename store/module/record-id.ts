import type { CID } from 'multiformats/cid'
import { DAG_JSON, parseCid } from '../values/index.ts'

/** `b` marks base32. It cannot be a module name, which has a slash. */
const ID = /^b[a-z2-7]{50,}$/

/** @returns undefined for a word that is no id of a record @throws StrataError USAGE for a damaged one */
export const parseRecordId = (word: string): CID | undefined =>
  ID.test(word) ? parseCid(word, DAG_JSON, 'MODULE', 'USAGE') : undefined
