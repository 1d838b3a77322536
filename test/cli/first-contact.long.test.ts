import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE } from '../helpers/compose.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { archive, file } from '../helpers/tar-make.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

/** A user on the first day: the site's store is named, and they have made none of their own. */

const first = suite('first contact')

interface World {
  folder: string
  site: string
  tarball: string
}

let made: World | undefined

function world(): World {
  if (made !== undefined) return made
  const folder = scratch()
  const site = join(folder, 'site')
  const tarball = join(folder, 'a.tar')
  writeFileSync(tarball, archive(file('opt/tool', 'x')))
  composed(site, ['init', '--level', '1'])
  composed(site, ['import', 'base/a-1', tarball])
  composed(site, ['import', 'app/tool-2', tarball, '--summary', 'a tool'])
  composed(site, ['alias', 'app/other', 'app/tool'])
  composed(site, ['default', 'app/tool-2'])
  made = { folder, site, tarball }
  return made
}

/** Without COMPOSE_STORE, in a new folder that is home as well. */
function asNewcomer(args: string[], path: string, cwd = scratch()) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMPOSE, ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, COMPOSE_PATH: path }
  })
  return { status, out: stdout.toString(), err: stderr.toString() }
}

const contentsOf = (folder: string): string =>
  bash('cd "$1"; find . -type f -exec sha256sum {} + | sort -k2', folder).toString()

first('with COMPOSE_PATH alone, reading commands work and no store is made', () => {
  const { site } = world()
  const home = scratch()
  const before = contentsOf(site)
  const run = (...args: string[]) => {
    const ran = asNewcomer(args, site, home)
    assert.is(ran.status, 0, `compose ${args.join(' ')}: ${ran.err}`)
    return ran.out
  }
  assert.match(run('avail'), /app\/tool-2/)
  assert.match(run('show', 'app/tool'), /a tool/)
  assert.match(run('alias', 'app/other'), /stands for app\/tool/)
  assert.is(run('default', 'app/tool'), 'app/tool-2\n')
  run('add', 'base/a', 'app/tool')
  assert.is(run('list', '-t'), 'base/a-1\napp/tool-2\n')
  run('build', 'tool.sqfs')
  run('build', 'layout', '--format', 'oci')
  run('build', '--sandbox', 'tree')
  run('verify', 'tool.sqfs')
  run('provides', 'opt/tool')
  run('export', 'app/tool', 'exported')
  assert.not.ok(existsSync(join(home, '.local')), 'a store was made')
  assert.is(contentsOf(site), before, "something was written to the site's store")
})

first('commands that write say that there is no store, and how to make one', () => {
  const { site, tarball } = world()
  for (const args of [
    ['import', 'app/mine-1', tarball],
    ['build', 'out.sqfs', tarball],
    ['build', 'out.sqfs', 'app/tool', '--comp', 'gzip'],
    ['alias', 'app/mine', 'app/tool'],
    ['default', 'app/tool', '--unset'],
    ['unpublish', 'app/tool-2'],
    ['pin', '--list'],
    ['gc'],
    ['fsck']
  ]) {
    const { status, err } = asNewcomer(args, site)
    assert.is(status, 10, `compose ${args.join(' ')}: ${err}`)
    assert.match(err, /there is no store at \S+\/\.local\/share\/strata/)
    assert.match(err, /try: .*compose init/)
  }
})

first('a folder of COMPOSE_PATH that is missing or not a store is named', () => {
  const { site, folder } = world()
  const plain = join(folder, 'plain')
  mkdirSync(plain)
  const wrong = asNewcomer(['avail'], `${site}:${plain}`)
  assert.is(wrong.status, 10)
  assert.match(
    wrong.err,
    `COMPOSE_PATH names ${plain}, which is not a store: compose init did not make this folder`
  )
  const absent = asNewcomer(['avail'], `${join(folder, 'absent')}:${site}`)
  assert.match(
    absent.err,
    `COMPOSE_PATH names ${folder}/absent, which is not a store: there is no such folder`
  )
})

first('a module of a read-only store cannot be unpublished, and the error names its store', () => {
  const { site, folder } = world()
  const own = join(folder, 'own')
  composed(own, ['init'])
  const { status, err } = asNewcomer(['--store', own, 'unpublish', 'app/tool-2'], site)
  assert.is(status, 14)
  assert.match(err, `app/tool-2 is not published in ${own}, but in ${site}, which is only read`)
  assert.match(err, `compose --store ${site} unpublish app/tool-2`)
})

first('a source before the module, and a misspelt command behind help, get the next command', () => {
  const { site, tarball } = world()
  const swapped = composeFails(site, ['import', tarball, 'base/b-1'], 2)
  assert.is(swapped.code, 'MODULE_NAME')
  assert.is(swapped.hint, `compose import base/b-1 ${tarball} (the module comes first)`)
  const misspelt = composeFails(site, ['help', 'buidl'], 14)
  assert.is(misspelt.code, 'MODULE_UNKNOWN')
  assert.match(misspelt.hint ?? '', 'buidl is not a command either: compose help lists the commands')
})

first('a definition whose localimage is a module says which agent takes modules', () => {
  const { folder, site } = world()
  const file = join(folder, 'local.def')
  writeFileSync(file, 'Bootstrap: localimage\nFrom: base/a-1\n')
  const { code, hint } = composeFails(site, ['build', join(folder, 'local.sqfs'), file], 52)
  assert.is(code, 'DEFINITION_INVALID')
  assert.is(hint, 'Bootstrap: compose')
})

first('an option of the program without -- in front says where such options stand', () => {
  const { site } = world()
  const { status, err } = compose(site, ['run', 'base/a', 'ls', '-l'])
  assert.is(status, 2)
  assert.match(err, "unknown option '-l'")
  assert.match(err, 'options of the program stand behind --')
})

first('unpublishing twice names the command that publishes it again', () => {
  const { site, tarball } = world()
  composed(site, ['import', 'app/gone-1', tarball])
  composed(site, ['unpublish', 'app/gone-1'])
  const { hint } = composeFails(site, ['unpublish', 'app/gone-1'], 14)
  const [command] = /compose history app\/gone-1 --restore \w+/.exec(hint ?? '') ?? ['']
  composed(site, command.split(' ').slice(1))
  composed(site, ['show', 'app/gone-1'])
})

first.run()
