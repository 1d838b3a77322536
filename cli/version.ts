import { readFileSync } from 'node:fs'

/** Version of the package, from the package.json above the compiled files. */
export const version = (): string =>
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
