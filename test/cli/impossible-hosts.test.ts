/** Hosts that look like an address of numbers, and are none: no request can go to them. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const tests = suite('cli: impossible hosts')

const HOST = '1.2.3.256'
const REFUSED = 2

function world() {
  const folder = scratch()
  const store = join(folder, 'store')
  const config = join(folder, 'config')
  const options = { env: { XDG_CONFIG_HOME: config, XDG_CACHE_HOME: join(folder, 'cache') }, cwd: folder }
  composed(store, ['init', '--level', '1'], options)
  return { store, options, list: join(config, 'strata/remotes'), config }
}

tests('are refused when they are typed, and not kept', () => {
  const { store, options, list } = world()
  for (const words of [
    ['remote', 'add', 'site', `${HOST}/site`],
    ['import', 'base/x-1', `docker://${HOST}/a/b:1`],
    ['login', HOST, '--username', 'x', '--password-stdin']
  ]) {
    const { code, message } = composeFails(store, words, REFUSED, { ...options, input: Buffer.from('x\n') })
    assert.is(code, 'REFERENCE_NAME', words.join(' '))
    assert.match(message, `"${HOST}" is neither a name nor an address`)
  }
  assert.not(existsSync(list))
})

tests('that a list of remotes has keep no list from being shown, and can be removed', () => {
  const { store, options, list, config } = world()
  mkdirSync(join(config, 'strata'), { recursive: true })
  writeFileSync(list, `site ${HOST}/site\n`, { mode: 0o600 })
  const { status, err } = compose(store, ['avail'], options)
  assert.is(status, 0, err)
  assert.match(err, `remote site does not say what it offers, and nothing of it is known: host "${HOST}"`)
  assert.is(composed(store, ['remote', 'list'], options).remotes.length, 1)
  composed(store, ['remote', 'rm', 'site'], options)
  assert.equal(composed(store, ['remote', 'list'], options).remotes, [])
})

tests.run()
