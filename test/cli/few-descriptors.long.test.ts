import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE, environment } from '../helpers/compose.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { composed } from '../helpers/warm-compose.ts'

/** `ulimit -n`: some batch systems and services allow few open files. */
const few = suite('compose with few descriptors')

const nodeWith = (limit: number, args: string[], env = process.env) =>
  spawnSync('bash', ['-c', `ulimit -n ${limit}; exec "$@"`, 'bash', process.execPath, ...args], { env })

function limited(store: string, limit: number, args: string[]) {
  const { status, stdout, stderr } = nodeWith(limit, [COMPOSE, '--json', ...args], environment(store))
  return { status, out: stdout.toString(), err: stderr.toString() }
}

/** Done, or refused with what to type; never a mistake of ours. @returns whether it was done */
function isDone(limit: number, found: ReturnType<typeof limited>): boolean {
  if (found.status === 0) return true
  const { code, message, facts, hint } = JSON.parse(found.out).error
  assert.ok(['EMFILE', 'IO'].includes(code), `${limit}: ${found.out}${found.err}`)
  assert.match(`${message} ${facts.errno}`, /EMFILE/, String(limit))
  assert.not.match(message, /cannot be removed/, String(limit))
  assert.match(hint, /ulimit -n/, String(limit))
  return false
}

/** With fewer, Node itself crashes, or cannot open the program. */
const LIMITS = [20, 21, 22, 23, 24, 26, 29, 32, 36, 64, 100, 150].filter(
  limit => nodeWith(limit, [COMPOSE, '--version']).status === 0
)

few('a sandbox is written, or an error names the limit and nothing is left', () => {
  const folder = scratch()
  const store = join(folder, 'store')
  bash(
    'cd "$1"; mkdir -p t/d; for i in $(seq 200); do seq $((i * 100)) > t/d/$i; done; tar -C t -cf t.tar d',
    folder
  )
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/many-1', join(folder, 't.tar')])
  const done = LIMITS.filter(limit => {
    const sandbox = join(folder, `sandbox-${limit}`)
    const isWhole = isDone(limit, limited(store, limit, ['build', '--sandbox', sandbox, 'base/many']))
    assert.is(existsSync(sandbox), isWhole, String(limit))
    return isWhole
  })
  assert.equal(done.slice(-5), LIMITS.slice(-5), 'threads take no descriptors that names need')
})

few('an import that cannot start its threads says so, and leaves nothing', () => {
  const folder = scratch()
  const store = join(folder, 'store')
  bash('cd "$1"; seq 100000 > f; tar -cf t.tar f', folder)
  composed(store, ['init', '--level', '1'])
  const done = LIMITS.filter(limit => {
    const found = limited(store, limit, ['import', `base/some-${limit}`, join(folder, 't.tar')])
    return isDone(limit, found)
  })
  // Between these it depends on which threads hold descriptors at the same time.
  assert.equal(done.slice(-3), LIMITS.slice(-3))
  assert.ok(done.length < LIMITS.length, 'the fewest are too few')
  assert.equal(readdirSync(join(store, 'tmp')), [])
})

few.run()
