/** Remotes: a second site, or a laptop, uses the modules of a registry with no further step. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE, environment } from '../helpers/compose.ts'
import { atAllSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { type RunningRegistry, startRegistry, stopRegistries } from '../helpers/registry.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { underHost } from '../helpers/under-host.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const tests = suite('cli: remotes')
const registry = needing(tests, 'docker-registry', 'openssl')
const asRoot = needing(tests, 'root', 'unshare', 'setpriv')
tests.after(stopRegistries)

/** A user of one machine, with a store. */
class Machine {
  readonly folder = scratch()
  readonly store = join(this.folder, 'store')
  readonly options = {
    env: {
      XDG_CONFIG_HOME: join(this.folder, 'config'),
      XDG_CACHE_HOME: join(this.folder, 'cache')
    } as NodeJS.ProcessEnv,
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

  /** Lets what the user's cache knows of remotes grow old. */
  waits(seconds: number): void {
    const folder = this.at('cache/strata/remotes')
    for (const name of readdirSync(folder)) {
      const { mtimeMs } = statSync(join(folder, name))
      utimesSync(join(folder, name), mtimeMs / 1000 - seconds, mtimeMs / 1000 - seconds)
    }
  }

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

let shared: ReturnType<typeof newSite> | undefined

/** For tests that neither change the site nor stop its registry. */
const sameSite = (): ReturnType<typeof newSite> => {
  shared ??= newSite()
  return shared
}

const gets = (server: RunningRegistry, from: number): string[] =>
  server
    .requests()
    .slice(from)
    .filter(line => line.includes('/blobs/'))

registry('remotes of a store are asked by the first list, and again when that is long ago', async () => {
  const { address, server } = await sameSite()
  const user = new Machine()
  mkdirSync(join(user.store, 'trust'))
  writeFileSync(join(user.store, 'trust/remotes'), `site ${address}\n`)
  const asks = (...words: string[]): number => {
    const before = server.requests().length
    user.does(...words)
    return server.requests().length - before
  }
  assert.ok(asks('avail') > 0)
  assert.is(user.does('avail').modules.length, 3)
  assert.is(asks('spider', 'tool'), 0)
  user.waits(25 * 3600)
  user.options.env.COMPOSE_REMOTE_AGE = 'never'
  assert.is(asks('avail'), 0)
  user.options.env.COMPOSE_REMOTE_AGE = '2d'
  assert.is(asks('avail'), 0)
  user.options.env.COMPOSE_REMOTE_AGE = '1d'
  assert.is(asks('keyword', 'tool'), 7)
  user.options.env.COMPOSE_REMOTE_AGE = 'soon'
  assert.match(user.fails(2, 'avail').message, /COMPOSE_REMOTE_AGE soon is not a length of time/)
})

registry('a remote that is down delays one command, and what it offered before counts', async () => {
  const { address, server } = await newSite()
  const user = new Machine()
  user.does('remote', 'add', 'site', address)
  user.waits(25 * 3600)
  server.stop()
  assert.match(
    user.notes('avail'),
    /remote site does not say what it offers, and what it offered before counts: .*refused.*; compose remote update site asks again/
  )
  const { err, out } = compose(user.store, ['avail'], user.options)
  assert.is(err, '')
  assert.match(out, /app\/tool-1\.5 \(R\)/)
  user.waits(2 * 3600)
  assert.match(user.fails(14, 'build', '--offline', 'x.sqfs', 'app/tool').message, /--offline/)
  assert.match(user.notes('avail'), /site does not say/)
})

atAllSize(registry)('a remote that never answers delays a list by ten seconds', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await new Promise(resolve => silent.once('listening', resolve))
  const user = new Machine()
  mkdirSync(join(user.store, 'trust'))
  writeFileSync(
    join(user.store, 'trust/remotes'),
    `site 127.0.0.1:${(silent.address() as AddressInfo).port}\n`
  )
  const said = user.notes('avail')
  silent.close()
  assert.match(
    said,
    /remote site does not say .*nothing of it is known: .*it takes longer than there is time for/
  )
})

registry('a module is fetched by the id of its record', async () => {
  const { site, address } = await sameSite()
  const user = new Machine()
  user.does('remote', 'add', 'site', address)
  const { record } = site.does('show', 'lib/math')
  const [pulled] = user.does('pull', record).modules
  assert.equal([pulled.module, pulled.record], ['lib/math-2', record])
  assert.is(user.does('show', 'lib/math').record, record)
  const unknown = `${record.slice(0, -8)}aaaaaaaa`
  assert.match(user.fails(14, 'pull', unknown).message, `no remote lists record ${unknown}`)
})

registry('modules of a remote are listed, and a build fetches them with what they require', async () => {
  const { site, address } = await sameSite()
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
  for (const command of ['show', 'whatis'])
    assert.match(laptop.fails(14, command, 'app/tool').message, /remote site offers it/)
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

atAllSize(registry)(
  'a stack takes modules of a remote, and a lock gives the same image elsewhere',
  async () => {
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
  }
)

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
    server.stop()
    assert.equal(laptop.notes('build', 'y.sqfs', 'lib/math', '--bare'), '')
    assert.is(laptop.does('avail', 'math').modules.length, 2)
    assert.match(laptop.fails(14, 'build', 'z.sqfs', 'lib/math-2').message, /no remote has it/)
    const updated = compose(laptop.store, ['remote', 'update'], laptop.options)
    assert.is(updated.status, 60)
    assert.match(updated.err, /site did not tell its modules/)
    // The list of the last time stays.
    assert.is(laptop.does('remote', 'list').remotes[0].modules, 3)
  }
)

atAllSize(registry)(
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

registry(
  'the short name of a module that only a remote has is understood, after those of the stores',
  async () => {
    const { site, address } = await newSite()
    site.import('new/math-4', 'other math')
    site.import('secret/os-1', 'hidden', '--hidden')
    site.does('push', 'new/math', 'secret/os-1', address)
    const laptop = new Machine()
    assert.is(laptop.fails(14, 'add', 'tool').code, 'MODULE_UNKNOWN')
    laptop.does('remote', 'add', 'site', address)
    laptop.does('add', 'os', 'tool/1')
    assert.match(readFileSync(laptop.at('stack.yaml'), 'utf8'), /base\/os\n.*app\/tool-1\n/)
    const { code, facts } = laptop.fails(14, 'build', 'x.sqfs', 'math')
    assert.equal([code, facts.modules], ['MODULE_CHOICE', ['lib/math', 'new/math']])
    laptop.does('build', 'x.sqfs', 'math-4', '--bare')
    assert.is(laptop.does('pull', 'tool').modules[0].module, 'app/tool-1.5')
    // From now on, a store has the one and remotes the other.
    assert.is(laptop.does('show', 'math').module, 'new/math-4')
    assert.equal(
      laptop
        .does('avail', 'math')
        .modules.map(({ module, remote }: { module: string; remote?: string }) => [module, remote]),
      [
        ['new/math-4', undefined],
        ['lib/math-2', 'site']
      ]
    )
  }
)

atAllSize(registry)(
  'what a build fetches changes the meaning of no name that somebody uses here',
  async () => {
    const { site, address } = await newSite()
    site.import('lib/math-3', 'newer math')
    site.import('new/tool-7', 'another tool')
    site.does('push', 'lib/math-3', 'new/tool-7', address)
    const laptop = new Machine()
    laptop.import('lib/math-1', 'old math')
    laptop.import('app/tool-1', 'old tool')
    laptop.does('remote', 'add', 'site', address)
    for (const round of [1, 2]) {
      const said = laptop.notes('build', `${round}.sqfs`, 'lib/math-3', 'new/tool-7', '--bare')
      assert.is(/pulled/.test(said), round === 1, said)
    }
    assert.is(laptop.does('show', 'lib/math').module, 'lib/math-1')
    assert.is(laptop.does('show', 'tool').module, 'app/tool-1')
    // Without anything of its name here, a module gets its own.
    laptop.does('build', '3.sqfs', 'base/os', '--bare')
    assert.is(laptop.does('show', 'os').module, 'base/os-1')
    laptop.does('pull', 'lib/math-3')
    assert.is(laptop.does('show', 'lib/math').module, 'lib/math-3')
  }
)

registry('an update of several remotes asks all of them, whichever does not answer', async () => {
  const { address } = await sameSite()
  const laptop = new Machine()
  for (const [name, to] of [
    ['down', '127.0.0.1:1/site'],
    ['site', address],
    ['gone', `${address.split('/')[0]}/nothing/here`]
  ])
    laptop.does('remote', 'add', name, to)
  const { status, out, err } = compose(laptop.store, ['remote', 'update', '--json'], laptop.options)
  assert.is(status, 60, err)
  assert.match(err, /down did not tell its modules: .*127\.0\.0\.1:1/)
  assert.equal(
    JSON.parse(out).remotes.map(({ name, modules }: { name: string; modules?: number }) => [name, modules]),
    [
      ['down', undefined],
      ['site', 3],
      ['gone', 0]
    ]
  )
})

registry(
  'the next remote decides what a name means only if the one before answers that it has none',
  async () => {
    const { site, address } = await sameSite()
    site.does('lock', 'base/os', '--bare', '-o', 'x.lock')
    const laptop = new Machine()
    laptop.does('remote', 'add', 'first', '127.0.0.1:1/site')
    laptop.does('remote', 'add', 'second', address)
    const refused = laptop.fails(60, 'pull', 'lib/math')
    assert.is(refused.code, 'REGISTRY_UNREACHABLE')
    assert.match(refused.message, /remote first does not say whether it has lib\/math/)
    assert.match(refused.hint ?? '', `compose pull ${address}/lib/math:VERSION`)
    assert.equal(readdirSync(join(laptop.store, 'refs/modules')), [])
    laptop.does('pull', `${address}/lib/math:2`)
    // A lock names records, which nobody can exchange; and what is here asks nobody.
    writeFileSync(laptop.at('x.lock'), readFileSync(site.at('x.lock')))
    laptop.does('build', 'x.sqfs', 'x.lock')
    laptop.does('build', 'y.sqfs', 'lib/math', '--bare')
    const other = new Machine()
    other.does('remote', 'add', 'first', `${address}/nothing`)
    other.does('remote', 'add', 'second', address)
    other.does('pull', 'lib/math')
  }
)

registry(
  'registries that deny what they do not have leave a name to the next remote, with a note',
  async () => {
    const { address } = await sameSite()
    const locked = await startRegistry({ auth: 'htpasswd' })
    const laptop = new Machine()
    laptop.does('remote', 'add', 'first', `${locked.host}/site`)
    laptop.does('remote', 'add', 'second', address)
    const { out, err } = compose(laptop.store, ['pull', 'lib/math'], laptop.options)
    assert.match(err, `lib/math: taken from remote second (${address}); remote first refuses to say`)
    assert.match(out, `fetched from remote second (${address}/lib/math:2)`)
    const { modules } = laptop.does('pull', 'lib/math')
    assert.equal([modules[0].module, modules[0].remote], ['lib/math-2', 'second'])
    assert.match(modules[0].notes.join(), /remote first refuses to say whether it has lib\/math: .*login/)
    const { code, message, facts } = laptop.fails(61, 'pull', 'lib/nothing')
    assert.is(code, 'REGISTRY_DENIED')
    assert.match(
      message,
      /remote first refuses to say whether it has lib\/nothing, and no other remote has it/
    )
    assert.is(facts.remote, 'first')
  }
)

registry(
  'a name that differs from the one that was asked for in capitals alone is another name',
  async () => {
    const { site, address } = await newSite()
    site.import('base/Debian-13', 'in capitals')
    site.does('push', 'base/Debian-13', address)
    const laptop = new Machine()
    laptop.does('remote', 'add', 'site', address)
    for (const asked of ['base/debian-13', 'base/debian']) {
      const { code, message } = laptop.fails(2, 'pull', asked)
      assert.is(code, 'REFERENCE_NAME')
      assert.match(message, `holds base/Debian-13, and ${asked} was asked for`)
    }
    assert.equal(readdirSync(join(laptop.store, 'refs/modules')), [])
    laptop.does('pull', 'base/Debian-13')
  }
)

registry('a pull that replaces a module tells which paths would lose their ACLs', async () => {
  const [site, server] = [new Machine(), await startRegistry()]
  const address = `${server.host}/site/modules`
  const text = { tree: site.at('tree'), file: site.at('tree/licence') }
  mkdirSync(text.tree)
  writeFileSync(text.file, 'for some')
  bash('setfacl -m u:1234:r,o::- "$1"', text.file)
  site.does('import', 'app/vasp-6', text.tree)
  site.does('push', 'app/vasp', address)
  const laptop = new Machine()
  laptop.does('pull', `${address}/app/vasp:6`)
  const { record } = laptop.does('show', 'app/vasp')
  bash('setfacl -b "$1"; chmod 640 "$1"', text.file)
  site.does('import', 'app/vasp-6', text.tree, '--replace', '--drop-acls')
  site.does('push', '--replace', 'app/vasp', address)
  const pull = ['pull', '--replace', `${address}/app/vasp:6`]
  const { code, message, hint, facts } = laptop.fails(44, ...pull)
  assert.is(code, 'ACCESS_WIDER')
  assert.match(message, /1 path of app\/vasp-6 had an ACL/)
  assert.equal(facts.paths, ['licence'])
  assert.match(hint ?? '', /--drop-acls/)
  assert.is(laptop.does('show', 'app/vasp').record, record)
  laptop.does(...pull, '--drop-acls', '--open-to', 'everyone')
  assert.is.not(laptop.does('show', 'app/vasp').record, record)
})

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
  const { address } = await sameSite()
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

registry('a push to a remote that stays on the site may hold what must not leave it', async () => {
  const server = await startRegistry()
  const machine = new Machine()
  machine.import('app/licensed-1', 'secret', '--no-redistribute')
  const list = machine.at('store/trust/remotes')
  mkdirSync(machine.at('store/trust'), { mode: 0o755 })
  writeFileSync(list, `site ${server.host}/site\n`, { mode: 0o644 })
  const push = (to: string) => ['push', 'app/licensed', to]
  machine.fails(19, ...push('site'))
  writeFileSync(list, `site ${server.host}/site internal\n`)
  assert.is(machine.does('remote', 'list').remotes[0].internal, true)
  for (const to of [`${server.host}/sites`, `${server.host}`, `localhost${server.host.slice(9)}/site`])
    assert.is(machine.fails(19, ...push(to)).code, 'NOT_REDISTRIBUTABLE', to)
  machine.does(...push('site'))
  machine.does(...push(`${server.host}/site/more`))
  machine.does('lock', 'app/licensed', '--bare', '--output', machine.at('x.lock'))
  const pushLock = (to: string) => ['push', machine.at('x.lock'), to, '--no-image']
  machine.fails(19, ...pushLock(`${server.host}/other/x:1`))
  machine.does(...pushLock(`${server.host}/site/x:1`))
  machine.does('build', machine.at('x.sqfs'), 'app/licensed')
  machine.fails(19, 'push', machine.at('x.sqfs'), `${server.host}/other/x:2`)
  machine.does('push', machine.at('x.sqfs'), `${server.host}/site/x:2`)
  assert.is(machine.does(...pushLock('site/stacks/x:2')).reference, `${server.host}/site/stacks/x:2`)
  machine.does('push', machine.at('x.sqfs'), 'site/images/x')
  mkdirSync(machine.at('config/strata'), { recursive: true })
  writeFileSync(machine.at('config/strata/remotes'), `mine ${server.host}/mine internal\n`)
  assert.match(machine.fails(51, 'remote', 'list').message, /strata\/remotes, line 1/)
})

needing(
  tests,
  'root',
  'docker-registry',
  'openssl'
)(
  'the list of another user says of the modules in their store alone that a registry stays on the site',
  async () => {
    const server = await startRegistry()
    const [machine, theirs] = [new Machine(), new Machine()]
    for (const each of [machine, theirs])
      each.import(`app/${each === machine ? 'mine' : 'theirs'}-1`, 'x', '--no-redistribute')
    mkdirSync(theirs.at('store/trust'), { mode: 0o755 })
    writeFileSync(theirs.at('store/trust/remotes'), `out ${server.host}/out internal\n`, { mode: 0o644 })
    const copyOf = (uid: number): string => {
      bash('cp -a "$1" "$2"; chown -R "$3:$3" "$2"', theirs.store, theirs.at(`of-${uid}`), String(uid))
      return theirs.at(`of-${uid}`)
    }
    const optionsWith = (uid: number) => ({
      ...machine.options,
      env: { ...machine.options.env, COMPOSE_PATH: copyOf(uid) }
    })
    const [foreign, ofRoot] = [optionsWith(61501), optionsWith(0)]
    const refused = (...words: string[]) => composeFails(machine.store, words, 19, foreign).code
    const image = machine.at('x.sqfs')
    assert.is(refused('push', 'app/mine', 'out'), 'NOT_REDISTRIBUTABLE')
    composed(machine.store, ['push', 'app/theirs', 'out'], foreign)
    composed(machine.store, ['build', image, 'app/theirs'], foreign)
    assert.is(refused('push', image, `${server.host}/out/x:1`), 'NOT_REDISTRIBUTABLE')
    composed(machine.store, ['push', 'app/mine', 'out'], ofRoot)
    composed(machine.store, ['push', image, `${server.host}/out/x:1`], ofRoot)
  }
)

asRoot('all users of a host have the remotes of /etc/strata, if only root can write them', () => {
  const machine = new Machine()
  const [etc, home, alice] = [machine.at('etc'), machine.at('home'), 61500]
  for (const folder of [etc, home]) mkdirSync(folder, { mode: 0o755 })
  for (const path of [machine.folder, machine.store]) chmodSync(path, 0o755)
  chownSync(home, alice, alice)
  writeFileSync(join(etc, 'remotes'), 'site registry.example.org/site internal\n', { mode: 0o644 })
  const list = () => underHost(etc, machine.store, ['remote', 'list'], alice, home)
  const [remote] = list().document.remotes
  assert.equal(remote, {
    name: 'site',
    prefix: 'registry.example.org/site',
    file: '/etc/strata/remotes',
    internal: true
  })
  for (const [uid, mode] of [
    [alice, 0o644],
    [0, 0o664]
  ]) {
    chownSync(join(etc, 'remotes'), uid, uid)
    chmodSync(join(etc, 'remotes'), mode)
    assert.is(list().document.error.code, 'SETTINGS_INVALID', `${uid} ${mode.toString(8)}`)
  }
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

registry('what is no host is the name of a remote or refused, and never Docker Hub', async () => {
  const { address } = await sameSite()
  const laptop = new Machine()
  laptop.does('remote', 'add', 'site', address)
  laptop.import('app/own-1', 'own')
  laptop.does('lock', 'app/own', '--bare', '--output', laptop.at('x.lock'))
  const to = (place: string) => ['push', laptop.at('x.lock'), place, '--internal', '--no-image']
  assert.is(laptop.does(...to('site/stacks/x:1')).reference, `${address}/stacks/x:1`)
  for (const place of ['sitee/stacks/x:1', 'site', 'x:1'])
    assert.equal(laptop.fails(2, ...to(place)).facts.remotes, ['site'], place)
})

registry('a build that pulls names the pull that takes the flag which is missing', async () => {
  const [site, laptop, server] = [new Machine(), new Machine(), await startRegistry()]
  site.import('lib/math-2', 'math')
  site.does('push', '--all', `${server.host}/site`)
  laptop.does('remote', 'add', 'site', `${server.host}/site`)
  laptop.does('import', 'app/mine-1', site.at('tree-lib-math-2'), '--no-redistribute')
  assert.is(laptop.fails(2, 'build', '--dry-run', 'x.sqfs', 'lib/math').hint, 'compose pull lib/math-2')
  const { hint } = laptop.fails(19, 'build', 'x.sqfs', 'lib/math', '--bare')
  const [, reference] = /^compose pull (\S+:bagu\S+) takes the flag: --allow-redistribution /.exec(hint!)!
  laptop.does('pull', reference, '--allow-redistribution')
  laptop.does('build', 'x.sqfs', 'lib/math', '--bare')
  assert.equal(laptop.fails(2, 'push', 'lib/math', 'sitee').facts.remotes, ['site'])
})

tests.run()
