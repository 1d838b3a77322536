/** A registry that takes manifests and keeps them by their digests alone, so that nobody finds them by their tags. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { composed, composeFails } from '../helpers/warm-compose.ts'

const tests = suite('push: tags')
const running: ChildProcess[] = []
tests.after(() => {
  for (const child of running) child.kill('SIGKILL')
})

function startRegistry(...words: string[]): Promise<string> {
  const program = fileURLToPath(new URL('../helpers/tiny-registry.js', import.meta.url))
  const child = spawn(process.execPath, [program, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  running.push(child)
  return new Promise(resolve => child.stdout!.once('data', text => resolve(`127.0.0.1:${Number(text)}`)))
}

tests('modules, locks and images are pushed when their tags stand for them, and not before', async () => {
  const folder = scratch()
  const at = (name: string) => join(folder, name)
  const store = at('store')
  composed(store, ['init', '--level', '1'])
  mkdirSync(at('tree'))
  writeFileSync(at('tree/file'), 'text')
  composed(store, ['import', 'app/tool-1', at('tree')])
  composed(store, ['build', at('x.sqfs'), 'app/tool'])
  composed(store, ['lock', 'app/tool', '-o', at('x.lock')])
  const [whole, forgets] = [await startRegistry(), await startRegistry('forgets-tags')]
  for (const [what, to] of [
    ['app/tool', 'site'],
    [at('x.sqfs'), 'images/x:1'],
    [at('x.lock'), 'stacks/x:1']
  ]) {
    composed(store, ['push', what, `${whole}/${to}`, '--internal'])
    const { code, message, facts } = composeFails(store, ['push', what, `${forgets}/${to}`, '--internal'], 63)
    assert.is(code, 'REGISTRY_INVALID', what)
    assert.match(message, /it takes manifest sha256:\w+ as \S+, and does not have the tag afterwards/)
    assert.is(facts.registry, forgets)
  }
})

tests.run()
