import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { EXIT_STATUS } from '../../store/values/errors.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

/** A directory that a licensed module keeps closed and the base has open, checked by the kernel. */
const merging = suite('build: directories of two modules')

const VASP = 61201
const STRANGER = 61299
const NEEDS = ['root', 'setfacl', 'getfacl', 'setpriv'] as const

interface World {
  store: string
  at(name: string): string
}

let world: World | undefined

/** Modules `base/open`, `app/vasp` (narrower access), `app/later` (a default ACL alone), `app/files` (other files). */
function newWorld(): World {
  if (world !== undefined) return world
  const folder = scratch()
  chmodSync(folder, 0o755)
  bash(
    `cd "$1"; mkdir -p base/opt/vasp base/etc vasp/opt/vasp later/opt/vasp files/etc
    echo base > base/etc/conf; echo one > base/etc/other; echo app > files/etc/conf; rm -f files/etc/other
    chmod 755 base base/opt base/opt/vasp vasp vasp/opt later later/opt later/opt/vasp
    echo licence > vasp/opt/vasp/key; chmod 644 vasp/opt/vasp/key
    chmod 750 vasp/opt/vasp; setfacl -m g:${VASP}:rx vasp/opt/vasp
    setfacl -d -m g:${VASP}:rx,o::- later/opt/vasp`,
    folder
  )
  const at = (name: string) => join(folder, name)
  const store = at('store')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/open-1', at('base')])
  for (const app of ['vasp', 'later', 'files']) composed(store, ['import', `app/${app}-1`, at(app)])
  world = { store, at }
  return world
}

const canRead = (file: string, gid: number): boolean =>
  spawnSync('setpriv', [`--reuid=${STRANGER}`, `--regid=${gid}`, '--clear-groups', 'cat', file], {
    stdio: 'ignore'
  }).status === 0

/** Tells if a stranger and a member of the group can read the licensed file in a sandbox that root wrote. */
function readers(...flags: string[]): { stranger: boolean; member: boolean } {
  const { store, at } = newWorld()
  const box = at('box')
  composed(store, ['build', '--sandbox', box, 'base/open', 'app/vasp', '--for', 'everyone', ...flags])
  try {
    const file = join(box, 'opt/vasp/key')
    return { stranger: canRead(file, STRANGER), member: canRead(file, VASP) }
  } finally {
    rmSync(box, { recursive: true })
  }
}

needing(merging, ...NEEDS)(
  'one that admits fewer is a conflict that names both modules and what to do',
  () => {
    const { store, at } = newWorld()
    for (const [app, reason] of [
      ['vasp', /^\/opt\/vasp: 0750 0:0 with an ACL admits fewer than 0755 0:0$/],
      ['later', /^\/opt\/vasp: its default ACL admits fewer than that of the lower$/]
    ] as const)
      for (const out of [[at('x.sqfs')], ['--sandbox', at('x')], ['--format', 'oci', at('x.oci')]]) {
        const error = composeFails(store, ['build', ...out, 'base/open', `app/${app}`], EXIT_STATUS.CONFLICT)
        assert.match((error.facts[`base/open-1, app/${app}-1`] as string[])[0], reason)
        for (const remedy of ['narrow', 'keep', 'replace', '`replaces`']) assert.match(error.hint!, remedy)
      }
  }
)

needing(merging, ...NEEDS)(
  'a stranger reads the licensed file only where somebody said that the base stays',
  () => {
    for (const rule of ['narrow', 'replace'])
      assert.equal(readers('--directories', rule), { stranger: false, member: true }, rule)
    assert.equal(readers('--on-conflict', 'upper'), { stranger: false, member: true })
    assert.equal(readers('--directories', 'keep'), { stranger: true, member: true })
  }
)

needing(merging, ...NEEDS)('a record that replaces the path gives it its access', () => {
  const { store, at } = newWorld()
  composed(store, ['import', 'app/named-1', at('vasp'), '--replaces', '/opt/vasp'])
  assert.equal(composed(store, ['show', 'app/named-1']).replaces, [{ path: '/opt/vasp' }])
  composed(store, ['build', '--sandbox', at('named'), 'base/open', 'app/named', '--for', 'everyone'])
  assert.match(bash('getfacl -cn "$1/opt/vasp"', at('named')).toString(), `group:${VASP}:r-x`)
  assert.not.ok(canRead(at('named/opt/vasp/key'), STRANGER))
})

needing(merging, ...NEEDS)('a lock keeps the rule, and a build from it follows the rule', () => {
  const { store, at } = newWorld()
  const modules = ['base/open', 'app/vasp']
  composed(store, ['lock', ...modules, '--directories', 'narrow', '-o', at('narrow.lock')])
  const first = composed(store, ['build', at('a.sqfs'), at('narrow.lock')])
  const second = composed(store, ['build', at('b.sqfs'), ...modules, '--directories', 'narrow'])
  assert.equal(first.lock, second.lock)
  assert.is(first.lock.image.directories, 'narrow')
  execFileSync('cmp', [at('a.sqfs'), at('b.sqfs')])
  composeFails(store, ['build', at('c.sqfs'), at('narrow.lock'), '--directories', 'keep'], EXIT_STATUS.USAGE)
  composed(store, ['build', '--sandbox', at('again'), at('narrow.lock')])
  bash('echo more > "$1/opt/vasp/more"', at('again'))
  composed(store, ['build', at('edited.sqfs'), at('again')])
})

needing(merging, ...NEEDS)(
  'what an upper module hides is counted, listed, in the document and in the image',
  () => {
    const { store, at } = newWorld()
    const args = ['build', at('o.sqfs'), 'base/open', 'app/files', '--on-conflict', 'upper']
    const { overrides } = composed(store, args)
    const override = { path: '/etc/conf', reason: 'differs in content', by: '--on-conflict upper', names: 1 }
    assert.equal(overrides, [{ lower: 0, upper: 1, ...override }])
    const said = compose(store, args).out
    assert.match(said, /1 path of lower modules replaced or removed \(--on-conflict upper\)/)
    assert.not.match(said, /etc\/conf/)
    const all = compose(store, [...args, '--verbose']).out
    assert.match(all, /\/etc\/conf: app\/files-1 over base\/open-1: differs in content/)
    assert.is(
      compose(store, ['cat', at('o.sqfs'), '/.compose/overrides']).out,
      '/etc/conf\tbase/open-1\tapp/files-1\t--on-conflict upper\t1\tdiffers in content\n'
    )
    const box = composed(store, ['build', '--sandbox', at('o'), ...args.slice(2)])
    assert.equal(box.overrides, [{ lower: 0, upper: 1, ...override }])
    const none = composed(store, ['build', at('none.sqfs'), 'base/open'])
    assert.equal(none.overrides, [])
    assert.not.ok(compose(store, ['ls', at('none.sqfs'), '/.compose']).out.includes('overrides'))
  }
)

needing(merging, ...NEEDS)('a build of two bases says so', () => {
  const { store, at } = newWorld()
  composed(store, ['import', 'base/second-1', at('later'), '--prefix', 'second'])
  const { status, err } = compose(store, ['build', at('two.sqfs'), 'base/open', 'base/second'])
  assert.is(status, 0, err)
  assert.match(err, /2 bases are in the stack: base\/open-1, base\/second-1/)
  assert.is(
    compose(store, ['build', at('one.sqfs'), 'base/open', 'app/files', '--on-conflict', 'upper']).err,
    ''
  )
})

merging.run()
