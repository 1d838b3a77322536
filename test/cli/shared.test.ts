import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { refuseNotRedistributable } from '../../store/access/redistribution.ts'
import { StrataError } from '../../store/values/errors.ts'
import { hostGroups } from '../helpers/host-groups.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { refused } from '../helpers/refused.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const shared = suite('compose init --group, export --internal')
const asRoot = needing(shared, 'root')

function tarball(): string {
  const folder = scratch()
  bash('cd "$1"; echo x > x; tar -cf x.tar x', folder)
  return join(folder, 'x.tar')
}

asRoot('init --group takes a name or an id, prints the id, and notes it in store.json', () => {
  const folder = scratch()
  const [{ name, gid }] = hostGroups(1)
  for (const [i, group] of [name, `${gid}`].entries()) {
    const store = join(folder, `${i}`)
    assert.is(composed(store, ['init', '--group', group]).group, gid)
    assert.is(JSON.parse(readFileSync(join(store, 'store.json'), 'utf8')).group, gid)
  }
  const plain = join(folder, 'plain')
  assert.is(composed(plain, ['init']).group, undefined)
  assert.is(JSON.parse(readFileSync(join(plain, 'store.json'), 'utf8')).group, undefined)
})

shared('modules that must not leave the site are exported only with --internal', () => {
  const [store, out] = [join(scratch(), 'store'), join(scratch(), 'out')]
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'app/free-1', tarball()])
  composed(store, ['import', 'app/bound-1', tarball(), '--no-redistribute', '--prefix', 'bound'])
  const error = composeFails(store, ['export', 'app/bound', out], 19)
  assert.is(error.code, 'NOT_REDISTRIBUTABLE')
  assert.match(error.message, /app\/bound-1 must not/)
  assert.match(error.hint!, /--internal/)
  assert.not.ok(existsSync(out))
  composed(store, ['export', 'app/bound', out, '--internal'])
  assert.ok(existsSync(join(out, 'layer.tar')))
  composed(store, ['export', 'app/free', join(out, 'free')])
  assert.is(compose(store, ['build', '--bare', join(out, 'image.sqfs'), 'app/bound']).status, 0)
})

shared('a refusal names each module that must not leave the site, and --internal allows all', () => {
  const module = (name: string, redistributable: boolean) => ({
    category: 'app',
    name,
    version: '1',
    redistributable
  })
  const modules = [module('a', false), module('b', true), module('c', false)]
  const error = refused(
    () => refuseNotRedistributable(modules, 'an OCI image'),
    'NOT_REDISTRIBUTABLE',
    /^an OCI image can leave the site, and app\/a-1, app\/c-1 must not/
  )
  assert.ok(error instanceof StrataError)
  assert.equal(error.facts.modules, ['app/a-1', 'app/c-1'])
  refuseNotRedistributable(modules, 'an OCI image', { internal: true })
  refuseNotRedistributable([modules[1]], 'an OCI image')
})

shared.run()
