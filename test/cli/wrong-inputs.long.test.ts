import { execFileSync, spawnSync } from 'node:child_process'
import { lstatSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { COMPOSE, environment } from '../helpers/compose.ts'
import { scratch } from '../helpers/scratch.ts'
import { bySize, someOf } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'

/** The sources lie beside the folder that they were compiled into. */
const source = (name: string): string => fileURLToPath(new URL(`../../../test/cli/${name}`, import.meta.url))

interface WrongInput {
  /** As a user types it behind `compose`, in the world that wrong-world.sh makes. */
  line: string
  status: number
  code: string
  /** The message begins so. */
  message: string
}

const table: WrongInput[] = readFileSync(source('wrong-inputs.txt'), 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
  .map(row => {
    const [line, status, code, ...message] = row.split(' | ')
    return { line, status: Number(status), code, message: message.join(' | ') }
  })

const world = mkdtempSync(join(scratch(), 'world-'))
const store = join(world, 'store')
const ownEnvironment = {
  ...environment(store),
  HOME: join(world, 'home'),
  XDG_CACHE_HOME: join(world, 'home/cache'),
  COMPOSE,
  NODE: process.execPath
}
execFileSync('bash', [source('wrong-world.sh'), world], { env: ownEnvironment })

/** Every name with its length and time, but for what is derived: the index and the user's own folder. */
function listing(folder: string, below = ''): string[] {
  return readdirSync(join(folder, below)).flatMap(name => {
    const path = join(below, name)
    if (path === 'store/index' || path === 'home') return []
    const status = lstatSync(join(folder, path))
    if (status.isDirectory()) return [path, ...listing(folder, path)]
    return [`${path} ${status.size} ${path.startsWith('store/') ? '' : status.mtimeMs}`]
  })
}

/** Names that no user chose, traces of where in our code it happened, and values that nobody typed. */
const INTERNAL =
  /\n {4}at |node_modules|\.ts:\d|\.cjs:\d|internal error|XXXXXX|\.compose-\w|\b(data|blobs|objects|refs|tmp|index)\/[0-9a-z]|[0-9a-f]{32}|\b(NaN|undefined)\b|\[object /

const before = listing(world)

/** As a shell does it, for pipes and variables too. */
const run = (line: string) =>
  spawnSync('bash', ['-c', `compose() { "$NODE" "$COMPOSE" "$@"; }; ${line}`], {
    cwd: world,
    env: ownEnvironment,
    encoding: 'utf8',
    input: ''
  })

const commandOf = (line: string): string => (/\bcompose\b/.test(line) ? line : `compose ${line}`)

const inputs = suite('wrong inputs')

inputs('the table has at least 120 rows, and no row twice', () => {
  assert.ok(table.length >= 120, String(table.length))
  assert.is(new Set(table.map(({ line }) => line)).size, table.length)
})

for (const { line, status, code, message } of someOf(table, bySize(50, table.length)))
  inputs(`${line}: ${code}, exit ${status}`, () => {
    const ran = run(commandOf(line))
    const told = ran.stderr.replaceAll(world, 'WORLD').replaceAll(/\/tmp\/[\w/-]*world-\w+/g, 'WORLD')
    assert.is(ran.status, status, told)
    assert.ok(told.includes(`error: ${message}`), told)
    assert.match(told, code === 'commander' ? /\ntry: compose [\w -]*--help/ : `${code}, exit ${status}`)
    assert.match(told, /\b(try|wanted):? /, 'says what to type, or what was wanted')
    assert.not.match(told, INTERNAL)
    assert.equal(listing(world), before)
  })

inputs.run()
