import { readFileSync, statSync } from 'node:fs'
import { looksLikeDefinition } from './parse-definition.ts'
import { looksLikeDockerfile } from './parse-dockerfile.ts'
import { looksLikeSspec } from './parse-sspec.ts'

const MOST_BYTES = 16 << 20
const SNIFFED_CHARACTERS = 65536

/** True for a regular file with the text of a definition. What cannot be read is refused by the reader of sources. */
export function isDefinition(file: string): boolean {
  try {
    const status = statSync(file)
    if (!status.isFile() || status.size > MOST_BYTES) return false
    const start = readFileSync(file, 'utf8').slice(0, SNIFFED_CHARACTERS)
    return looksLikeDefinition(start) || looksLikeDockerfile(start) || looksLikeSspec(start)
  } catch {
    return false
  }
}

/** True for a definition that asks for files of this host, so that flags can name more of them. */
export const isHostList = (file: string): boolean => looksLikeSspec(readFileSync(file, 'utf8'))
