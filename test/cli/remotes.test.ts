/** Remotes: a second site, or a laptop, uses the modules of a registry with no further step. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { COMPOSE, compose, composed, composeFails, environment } from '../helpers/compose.ts'
import { needing } from '../helpers/needs.ts'
import { type RunningRegistry, startRegistry, stopRegistries } from '../helpers/registry.ts'
import { scratch } from '../helpers/scratch.ts'

const tests = suite('cli: remotes')
const registry = needing(tests, 'docker-registry', 'openssl')
tests.after(stopRegistries)

/** A user of one machine, with a store. */
class Machine {
  readonly folder = scratch()
  readonly store = join(this.folder, 'store')
  readonly options = {
    env: { XDG_CONFIG_HOME: join(this.folder, 'config'), XDG_CACHE_HOME: join(this.folder, 'cache') },
    cwd: this.folder
  }

  constructor() {
    this.does('init', '--level', '1')
  }

  // biome-ignore lint/suspicious/noExplicitAny: documents of all commands
  does = (...words: string[]): any => composed(this.store, words, this.options)

  fails = (status: number, ...words: string[]) => composeFails(this.store, words, status, this.options)

  notes = (...words: string[]): string => compose(this.store, words, this.options).err

  at = (name: string): string => join(this.folder, name)

  import(module: string, text: string, ...flags: string[]): { record: string } {
    const tree = this.at(`tree-${module.replace(/\W/g, '-')}`)
    mkdirSync(tree, { recursive: true })
    writeFileSync(join(tree, module.replace(/\W/g, '-')), text)
    return this.does('import', module, tree, ...flags)
  }
}

/** A site with three modules, of which one requires another, in a registry. */
async function newSite(): Promise<{ site: Machine; server: RunningRegistry; address: string }> {
  const [site, server] = [new Machine(), await startRegistry()]
  const address = `${server.host}/site/modules`
  site.import('base/os-1', 'base')
  site.import('lib/math-2', 'math')
  site.import('app/tool-1.5', 'tool', '--requires', 'lib/math >= 2')
  site.does('push', '--all', address)
  return { site, server, address }
}

const gets = (server: RunningRegistry, from: number): string[] =>
  server
    .requests()
    .slice(from)
    .filter(line => line.includes('/blobs/'))

registry('modules of a remote are listed, and a build fetches them with what they require', async () => {
  const { site, address } = await newSite()
  const laptop = new Machine()
  const { remotes } = laptop.does('remote', 'add', 'site', address)
  assert.equal([remotes[0].name, remotes[0].modules], ['site', 3])
  const { modules } = laptop.does('avail')
  assert.equal(
    modules.map(({ module, remote }: { module: string; remote: string }) => [module, remote]),
    [
      ['app/tool-1.5', 'site'],
      ['base/os-1', 'site'],
      ['lib/math-2', 'site']
    ]
  )
  assert.match(compose(laptop.store, ['avail'], laptop.options).out, /app\/tool-1\.5 \(R\)/)
  assert.match(laptop.fails(14, 'show', 'app/tool').message, /remote site offers it/)
  laptop.does('spider', 'app/tool-1.5')
  assert.match(
    laptop.fails(14, 'build', '--offline', 'x.sqfs', 'base/os', 'app/tool').message,
    /--offline asks no registry/
  )
  assert.match(
    laptop.fails(2, 'build', '--dry-run', 'x.sqfs', 'app/tool').message,
    /--dry-run writes nothing/
  )
  const said = laptop.notes('build', 'x.sqfs', 'base/os', 'app/tool', '--bare')
  assert.match(said, /^3 modules to pull, at most .*: base\/os-1, lib\/math-2, app\/tool-1\.5$/m)
  site.does('build', 'x.sqfs', 'base/os', 'app/tool', '--bare')
  assert.ok(readFileSync(laptop.at('x.sqfs')).equals(readFileSync(site.at('x.sqfs'))))
  assert.equal(laptop.notes('build', 'y.sqfs', 'base/os', 'app/tool', '--bare'), '')
})

registry('a stack takes modules of a remote, and a lock gives the same image elsewhere', async () => {
  const { site, address } = await newSite()
  const [laptop, other] = [new Machine(), new Machine()]
  laptop.does('remote', 'add', 'site', address)
  laptop.does('add', 'base/os', 'app/tool')
  laptop.does('build', 'x.sqfs')
  // The site replaces a module; the lock names the record that it had.
  site.import('lib/math-2', 'better math', '--replace')
  site.does('push', '--replace', 'lib/math', address)
  other.does('remote', 'add', 'site', address)
  const lock = readFileSync(laptop.at('stack.lock'), 'utf8')
  writeFileSync(other.at('stack.lock'), lock)
  // The name is taken by the new record already, and keeps it.
  other.does('pull', 'lib/math')
  const { record } = other.does('show', 'lib/math')
  other.does('build', 'x.sqfs', 'stack.lock')
  assert.ok(readFileSync(laptop.at('x.sqfs')).equals(readFileSync(other.at('x.sqfs'))))
  assert.is(other.does('show', 'lib/math').record, record)
})

registry(
  'what a store has is used, whatever newer versions a remote has, and whether it answers',
  async () => {
    const { site, server, address } = await newSite()
    const laptop = new Machine()
    laptop.import('lib/math-1', 'old math')
    laptop.does('remote', 'add', 'site', address)
    const before = server.requests().length
    assert.equal(laptop.notes('build', 'x.sqfs', 'lib/math', '--bare'), '')
    assert.is(server.requests().length, before)
    site.import('lib/math-3', 'new math')
    site.does('push', 'lib/math-3', address)
    stopRegistries()
    assert.equal(laptop.notes('build', 'y.sqfs', 'lib/math', '--bare'), '')
    assert.is(laptop.does('avail', 'math').modules.length, 2)
    assert.match(laptop.fails(14, 'build', 'z.sqfs', 'lib/math-2').message, /no remote has it/)
    const updated = compose(laptop.store, ['remote', 'update'], laptop.options)
    assert.is(updated.status, 60)
    assert.match(updated.err, /site was not asked/)
    // The list of the last time stays.
    assert.is(laptop.does('remote', 'list').remotes[0].modules, 3)
  }
)

registry(
  'a choice that needs a remote takes from it only what the site does not have, whatever its versions',
  async () => {
    const { site, address } = await newSite()
    site.import('app/site-9', 'of another person')
    site.does('push', 'app/site-9', address)
    const laptop = new Machine()
    laptop.import('app/site-1', 'of this site')
    laptop.does('remote', 'add', 'site', address)
    laptop.does('lock', 'app/site', 'app/tool', '-o', 'x.lock')
    const { modules } = JSON.parse(readFileSync(laptop.at('x.lock'), 'utf8'))
    assert.equal(modules.map(({ name }: { name: string }) => name).sort(), [
      'app/site-1',
      'app/tool-1.5',
      'lib/math-2'
    ])
    // Asked for by its version, the offer is taken.
    assert.match(laptop.notes('build', 'y.sqfs', 'app/site-9', '--bare'), /app\/site-9/)
  }
)

registry('an update asks for new records alone, and pull takes the highest version that fits', async () => {
  const { site, server, address } = await newSite()
  const laptop = new Machine()
  laptop.does('remote', 'add', 'site', address)
  site.import('lib/math-10', 'new math')
  site.does('push', 'lib/math-10', address)
  const before = server.requests().length
  assert.is(laptop.does('remote', 'update', 'site').remotes[0].modules, 4)
  assert.is(gets(server, before).length, 1)
  assert.is(laptop.does('pull', 'lib/math').modules[0].module, 'lib/math-10')
  assert.is(laptop.does('pull', 'lib/math-2').modules[0].module, 'lib/math-2')
  assert.is(laptop.fails(14, 'pull', 'lib/math-7').code, 'MODULE_UNKNOWN')
  laptop.does('push', 'lib/math-10', 'site')
  laptop.does('remote', 'rm', 'site')
  assert.equal(laptop.does('remote', 'list').remotes, [])
  assert.is(laptop.fails(2, 'remote', 'rm', 'site').code, 'USAGE')
})

registry('a store has remotes for all of its users, if nobody else can write them', async () => {
  const { address } = await newSite()
  const laptop = new Machine()
  const trust = join(laptop.store, 'trust')
  mkdirSync(trust, { mode: 0o755 })
  writeFileSync(join(trust, 'remotes'), `# of the site\nsite ${address}\n`, { mode: 0o644 })
  assert.is(laptop.does('remote', 'update').remotes[0].modules, 3)
  laptop.does('pull', 'base/os')
  assert.match(laptop.fails(2, 'remote', 'rm', 'site').message, /trust\/remotes/)
  chmodSync(join(trust, 'remotes'), 0o666)
  assert.is(laptop.fails(51, 'remote', 'list').code, 'SETTINGS_INVALID')
  chmodSync(join(trust, 'remotes'), 0o644)
  writeFileSync(join(trust, 'remotes'), 'site a b c\n')
  assert.match(laptop.fails(51, 'remote', 'list').message, /line 1/)
})

registry('lists of users without remotes load no client of registries', () => {
  const laptop = new Machine()
  const trace = laptop.at('trace')
  const { status } = spawnSync(process.execPath, ['-r', hook(trace), COMPOSE, 'avail'], {
    env: environment(laptop.store, laptop.options.env),
    cwd: laptop.folder
  })
  assert.is(status, 0)
  assert.not.ok(existsSync(trace))
})

/** A file that notes if the client is loaded. */
function hook(trace: string): string {
  const path = join(scratch(), 'hook.cjs')
  writeFileSync(
    path,
    `const { Module } = { Module: require('node:module') }
const load = Module._load
Module._load = (name, ...rest) => {
  if (/undici/.test(name)) require('node:fs').writeFileSync(${JSON.stringify(trace)}, name)
  return load(name, ...rest)
}
`
  )
  return path
}

tests.run()
