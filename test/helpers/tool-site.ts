/** A store with something to send, and empty stores to receive it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { smallBase } from '../compose/runtime-files/small-base.ts'
import { scratch } from './scratch.ts'
import { compose, composed } from './warm-compose.ts'

/** A store, and a lock of a base and a tool. */
export function newSite(...flags: string[]): { store: string; folder: string; options: object } {
  const [store, folder] = [join(scratch(), 'store'), scratch()]
  const env = { XDG_CONFIG_HOME: join(folder, 'config'), XDG_CACHE_HOME: join(folder, 'cache') }
  const options = { cwd: folder, env: { ...env, XDG_RUNTIME_DIR: folder } }
  assert.is(compose(store, ['init', '--level', '1'], options).status, 0)
  mkdirSync(join(folder, 'tool'))
  writeFileSync(join(folder, 'tool/hello'), 'hello from a tool\n'.repeat(20_000))
  composed(store, ['import', 'base/os-1', smallBase()], options)
  composed(store, ['import', 'app/tool-1', join(folder, 'tool'), '--prefix', 'opt/tool', ...flags], options)
  composed(store, ['lock', 'base/os', 'app/tool', '-o', 'stack.lock'], options)
  return { store, folder, options }
}

export const newStore = (): string => {
  const store = join(scratch(), 'store')
  assert.is(compose(store, ['init', '--level', '1']).status, 0)
  return store
}
