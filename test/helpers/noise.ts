import { createHash } from 'node:crypto'

/**
 * Bytes that no program can pack, the same for a name in every run: where parts are cut follows from the bytes, so what a
 * test says about their sizes holds for each run or for none.
 */
export const noise = (name: string, bytes: number): Buffer =>
  createHash('shake256', { outputLength: bytes }).update(name).digest()
