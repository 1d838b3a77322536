import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { atAllSize, suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { type CaptureWorld, captureWorld, composeIn } from '../capture/capture-world.ts'

/** Trees of a definition that failed, kept by --keep: what they hold of earlier stages has its bounds (spec/sandbox.md#bounds). */

const FAILS = `Bootstrap: compose
From: base/host app/lic
Stage: one

Bootstrap: compose
From: base/host
%files from one
  /opt/lic/src /opt/copied
%post
  exit 3
`

function keptTree(world: CaptureWorld, ...flags: string[]): string {
  const folder = join(world.home, 'licensed')
  const file = join(world.home, 'fails.def')
  mkdirSync(join(folder, 'opt/lic'), { recursive: true })
  writeFileSync(join(folder, 'opt/lic/src'), 'of the licence\n')
  writeFileSync(file, FAILS)
  const { status, err } = composeIn(world, ['import', 'app/lic-1', folder, ...flags])
  assert.is(status, 0, err)
  const failed = composeIn(world, ['import', 'app/x-1', file, '--bind', '/usr', '--no-network', '--keep'])
  assert.match(failed.err, /ended with status 3[\s\S]*|the trees stay in/)
  const work = readdirSync(world.home).find(name => name.startsWith('compose-capture-'))!
  const tree = join(world.home, work, 'stage-2')
  assert.is(readFileSync(join(tree, 'opt/copied'), 'utf8'), 'of the licence\n')
  return tree
}

const kept = suiteNeeding('definition: kept trees', 'userns')
const long = atAllSize(kept)

long('are for nobody for whom a module of an earlier stage is not', () => {
  const world = captureWorld()
  const tree = keptTree(world, '--access-group', '1000')
  const refused = composeIn(world, ['import', 'app/wide-1', tree])
  assert.is(refused.status, 44, refused.err)
  assert.match(refused.err, /app\/lic-1, which is in stage one of .*fails\.def, is for g/)
  const going = ['capture', 'app/wide-1', '--bind', '/usr', '--sandbox', tree, '--', 'true']
  assert.is(composeIn(world, going).status, 44)
  assert.is(composeIn(world, ['import', 'app/narrow-1', tree, '--access-group', '1000']).status, 0)
  const image = join(world.home, 'kept.sqfs')
  assert.is(composeIn(world, ['build', image, tree, '--for', 'everyone']).status, 44)
  const built = composeIn(world, ['build', image, tree, '--for', 'group:1000'])
  assert.is(built.status, 0, built.err)
  assert.match(bash('getfacl -n -p "$1"', image).toString(), /^other::---$/m)
  writeFileSync(join(tree, '.compose/sandbox/bounds'), '[{}]')
  const damaged = composeIn(world, ['import', 'app/damaged-1', tree])
  assert.match(damaged.err, /does not say for whom its files are: wanted a list of bounds/)
})

kept('keep what must not leave the site', () => {
  const world = captureWorld()
  const tree = keptTree(world, '--no-redistribute')
  const image = composeIn(world, ['build', join(world.home, 'kept.sqfs'), tree])
  assert.match(image.err, /may hold files of app\/lic-1, .* must not leave the site/)
  const leaving = composeIn(world, ['import', 'app/leaves-1', tree])
  assert.match(leaving.err, /must not leave the site, but this would allow it/)
  assert.is(composeIn(world, ['import', 'app/stays-1', tree, '--no-redistribute']).status, 0)
})

kept('steps whose result was refused do not run again for the flag that the refusal names', () => {
  const world = captureWorld()
  const file = join(world.home, 'steps.def')
  writeFileSync(file, 'Bootstrap: compose\nFrom: base/host\n%post\n  touch /opt-su; chmod 4755 /opt-su\n')
  const words = ['import', 'app/su-1', file, '--bind', '/usr', '--no-network']
  const refused = composeIn(world, words)
  assert.is(refused.status, 27, refused.err)
  assert.match(
    refused.err,
    /steps\.def holds 1 file with privileges[\s\S]*--allow-privileged.*the steps are kept/
  )
  const again = composeIn(world, [...words, '--allow-privileged'])
  assert.is(again.status, 0, again.err)
  assert.match(again.err, /%post of \S*steps\.def, line 3: as before/)
  assert.match(composeIn(world, ['inspect', 'app/su-1', '--json']).out, /opt-su|app\/su/)
})

kept.run()
